"""The interface that laws are stated against: something that builds a network and runs it.

A program of the corpus in this process is one subject (`program.py`), a network that was called
in a user's own run another (`captured.py`). All arguments and results are plain values: tensors in
tuples, lists and dicts, numbers and names. So the third kind (`remote/subject.py`) forwards each
call to a program in another process, and whoever judges it keeps out of its reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import random

    import torch

Values = tuple[Any, ...]  # of a forward pass or a run, with tensors anywhere inside


class NotApplicableError(Exception):
    """A law does not apply to a subject; the message says why."""


class SubjectError(Exception):
    """What a subject in another process raised: the names of its classes, and its message."""

    def __init__(self, classes: tuple[str, ...], message: str) -> None:
        """Remember the names of the exception's class and of those that it inherits from."""
        super().__init__(message)
        self.classes = classes


def class_names(error: BaseException) -> tuple[str, ...]:
    """Return the names of the classes of what a subject raised, its own class first."""
    if isinstance(error, SubjectError):
        return error.classes
    return tuple(kind.__name__ for kind in type(error).__mro__)


@dataclass(frozen=True)
class StepFacts:
    """An optimizer step of a run: the forward passes since the last one, and stale gradients."""

    passes: list[PassFacts]
    stale: list[str]  # names of parameters whose gradient is older than the last step
    learning_rates: tuple[float, ...]  # one per parameter group


@dataclass(frozen=True)
class PassFacts:
    """A forward pass of the whole network in a run.

    `modes` are the modes, True for training, of the layers that depend on it.
    """

    modes: frozenset[bool]
    grad_enabled: bool


@dataclass(frozen=True)
class TrainingFacts:
    """What a run does with its network: steps, the passes after the last one, and backward."""

    modal: bool  # whether some layer depends on train mode or eval mode
    steps: list[StepFacts]
    passes_after: list[PassFacts]
    has_backward: bool  # one that reached a parameter
    result_requires_grad: bool
    unchanged: list[str]  # names of parameters that are equal before and after the run

    @property
    def passes(self) -> list[PassFacts]:
        """All forward passes."""
        return [one for step in self.steps for one in step.passes] + self.passes_after


class Optimizer(Protocol):
    """An optimizer of all parameters of a network."""

    def step(self) -> None:
        """Update the parameters by their gradients, and clear these."""


class Network(Protocol):
    """A network that a subject has built. It begins in the mode in which it is built."""

    @property
    def frozen(self) -> list[str]:
        """The paths of the layers with parameters of which none is trained."""

    def eval(self) -> Network:
        """Switch to eval mode, and return this network."""

    def forward(self, inputs: Values) -> Any:
        """Return the output of one forward pass."""

    def run(self, inputs: Values, targets: Values) -> Any:
        """Do what the subject is for; one forward pass if it has no run of its own."""

    def recorded_run(self, inputs: Values, targets: Values) -> TrainingFacts:
        """Run, and return what the run does."""

    def graph_size(self, inputs: Values, targets: Values) -> int:
        """Run, and return how many nodes of the autograd graph the result keeps alive."""

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the subject returns for this network and more arguments."""

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return the parameters."""

    def parameter_gradients(self) -> dict[str, torch.Tensor | None]:
        """Return the gradients that the parameters hold now."""

    def gradients(
        self, inputs: Values, directions: list[torch.Tensor]
    ) -> dict[str, torch.Tensor | None]:
        """Return the gradient of each parameter, of the outputs' products with directions."""

    def shift(self, direction: dict[str, torch.Tensor], step: float) -> None:
        """Add `step` times a direction to the parameters that it names, in place."""

    def adam(self, learning_rate: float) -> Optimizer:
        """Return an Adam optimizer of all parameters."""

    def buffers(self, path: str = "") -> dict[str, torch.Tensor]:
        """Return copies of the buffers of the module at `path`."""

    def state(self) -> dict[str, Any]:
        """Return the state_dict."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Load a state_dict; raises RuntimeError if keys or shapes differ."""

    def move(self, device: str) -> dict[str, str]:
        """Move to a device; return the device of every tensor that any module holds, by name."""

    def forward_there(self, inputs: Values, device: str | None = None) -> list[str]:
        """Run one forward pass; return the paths of the layers that returned, in their order.

        `device` is one to which the network was moved; None leaves the inputs where they are.
        """

    def export(self, inputs: Values, others: Values) -> Any:
        """Export with `torch.export` and a dynamic batch size; raises what export raises.

        Returns what the exported program returns for `others`.
        """


class Subject(Protocol):
    """Something that builds networks, and inputs for them.

    The same seed builds the same network and the same values. What a subject lacks raises
    NotApplicableError.
    """

    seed: int

    def __hash__(self) -> int:
        """Return the same number while the subject is the same: laws share one run of it."""

    def draws(self) -> random.Random:
        """Return a generator for what laws choose: batch sizes, directions.

        The program in a process of its own cannot know what it yields; a captured network is
        judged the same every time.
        """

    def apart(self) -> Subject:
        """Return the subject as one that has seen nothing yet, in another process if it has one.

        What a subject remembers can make two of its answers agree; it remembers nothing there.
        """

    def build(self, seed: int | None = None) -> Network:
        """Return a new network."""

    def inputs(self, batch_size: int | None = None) -> Values:
        """Return inputs of a forward pass, by default as many samples as the example has."""

    def targets(self, batch_size: int | None = None) -> Values:
        """Return what a run gets after the inputs; empty if it gets nothing."""

    def reread(self, values: Any) -> Any:
        """Return what values that came from the subject are now, if it changed them in place."""

    def read(self, what: str, *arguments: float) -> Any:
        """Return what one of the functions in `reads.py` returns for the subject."""

    def require_run(self) -> None:
        """Raise NotApplicableError if the subject has no run of its own."""

    def require_targets(self) -> None:
        """Raise NotApplicableError if the subject has no targets."""

    def require(self, function: str) -> None:
        """Raise NotApplicableError if the subject has no function of this name."""

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the subject returns, such as its own metric."""
