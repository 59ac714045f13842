"""A program in another process, and its networks, as the laws see them.

What the program defines was said in its plain run; every other fact comes from values.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec

from broken_convnets.observe.subject import NotApplicableError, TrainingFacts
from broken_convnets.observe.trees import detached

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from broken_convnets.observe.remote.connection import Connection
    from broken_convnets.observe.remote.decode import Lease
    from broken_convnets.observe.subject import Values


class RemoteProgram:
    """A program in another process; `functions` are the names that it defines."""

    def __init__(
        self,
        connection: Connection,
        seed: int,
        functions: frozenset[str],
        load: Callable[[], Connection],
    ) -> None:
        """Wrap a program that has run there; `load` loads it in one more process."""
        self.seed = seed
        self._load = load
        self._connection = connection
        self._functions = functions

    def apart(self) -> RemoteProgram:
        """Return the program in a new process, where it has only been loaded."""
        return RemoteProgram(self._load(), self.seed, self._functions, self._load)

    def draws(self) -> random.Random:
        """Return a generator whose numbers the program cannot know."""
        return random.SystemRandom()

    def build(self, seed: int | None = None) -> RemoteNetwork:
        """Return a new network, the same for the same seed."""
        return RemoteNetwork(self._connection, self._connection.lease("build", seed))

    def inputs(self, batch_size: int | None = None) -> Values:
        """Return the network's example inputs."""
        return self._values("inputs", batch_size)

    def targets(self, batch_size: int | None = None) -> Values:
        """Return what comes after the inputs in `run`; empty without `example_targets`."""
        return self._values("targets", batch_size)

    def reread(self, values: Any) -> Any:
        """Return what values that came from the program are now."""
        return self._connection.ask("reread", values)

    def read(self, what: str, *arguments: float) -> Any:
        """Return what one of the functions in `reads.py` returns for the program."""
        return self._connection.ask("read", what, *arguments)

    def called_layers(self) -> dict[str, int]:
        """Return how many layers of each type a run calls, as recorded there."""
        return dict(self._connection.ask("called_layers"))

    def seeded_run(self, net: RemoteNetwork, inputs: Values, targets: Values) -> Any:
        """Run a network with the random numbers of the program's own seed."""
        return self._connection.ask("seeded_run", net.handle, inputs, targets)

    def has(self, function: str) -> bool:
        """Return whether the program defines a function of this name."""
        return function in self._functions

    def require_run(self) -> None:
        """Raise NotApplicableError if the program has no `run`."""
        self._require("run", "run")

    def require_targets(self) -> None:
        """Raise NotApplicableError if the program has no `example_targets`."""
        self._require("example_targets", "targets")

    def require(self, function: str) -> None:
        """Raise NotApplicableError if the program has no function of this name."""
        self._require(function, function)

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the program returns."""
        self.require(function)
        return self._connection.ask("call_program", function, *arguments)

    def _require(self, function: str, what: str) -> None:
        if function not in self._functions:
            message = f"the program has no {what}"
            raise NotApplicableError(message)

    def _values(self, method: str, batch_size: int | None) -> Values:
        found = self._connection.ask(method, batch_size)
        return found if isinstance(found, tuple) else (found,)


class RemoteNetwork:
    """A network of a program in another process."""

    def __init__(self, connection: Connection, lease: Lease) -> None:
        """Wrap the network of a handle."""
        self._connection = connection
        self._lease = lease

    @property
    def handle(self) -> int:
        """The number under which the other process keeps the network."""
        return self._lease.handle

    @property
    def frozen(self) -> list[str]:
        """The paths of the layers with parameters of which none is trained."""
        return list(map(str, self._ask("frozen")))

    def eval(self) -> RemoteNetwork:
        """Switch to eval mode, and return this network."""
        self._ask("eval")
        return self

    def forward(self, inputs: Values) -> Any:
        """Return the output of one forward pass."""
        return self._ask("forward", inputs)

    def run(self, inputs: Values, targets: Values) -> Any:
        """Do what the program is for; one forward pass if it has no run of its own."""
        return self._ask("run", inputs, targets)

    def recorded_run(self, inputs: Values, targets: Values) -> TrainingFacts:
        """Run, and return what the run does, as recorded there."""
        return msgspec.convert(self._ask("recorded_run", inputs, targets), TrainingFacts)

    def graph_size(self, inputs: Values, targets: Values) -> int:
        """Run, and return how many nodes of the autograd graph the result keeps alive."""
        return int(self._ask("graph_size", inputs, targets))

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the program returns for this network and more arguments."""
        return self._ask("call", function, *arguments)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return the parameters."""
        return dict(self._ask("parameters"))

    def parameter_gradients(self) -> dict[str, torch.Tensor | None]:
        """Return the gradients that the parameters hold now."""
        return dict(self._ask("parameter_gradients"))

    def gradients(
        self, inputs: Values, directions: list[torch.Tensor]
    ) -> dict[str, torch.Tensor | None]:
        """Return the gradient of each parameter, of the outputs' products with directions."""
        return dict(self._ask("gradients", inputs, directions))

    def shift(self, direction: dict[str, torch.Tensor], step: float) -> None:
        """Add `step` times a direction to the parameters that it names, in place."""
        self._ask("shift", direction, step)

    def adam(self, learning_rate: float) -> RemoteOptimizer:
        """Return an Adam optimizer of all parameters."""
        lease = self._connection.lease("adam", self._lease.handle, learning_rate)
        return RemoteOptimizer(self._connection, lease)

    def buffers(self, path: str = "") -> dict[str, torch.Tensor]:
        """Return copies of the buffers of the module at `path`."""
        return dict(self._ask("buffers", path))

    def state(self) -> dict[str, Any]:
        """Return the state_dict."""
        return dict(self._ask("state"))

    def load_state(self, state: dict[str, Any]) -> None:
        """Load a state_dict by value; raises what the network raises if keys or shapes differ."""
        self._ask("load_state", detached(state))

    def move(self, device: str) -> dict[str, str]:
        """Move to a device; return the device of every tensor that any module holds, by name."""
        return dict(self._ask("move", device))

    def forward_there(self, inputs: Values, device: str | None = None) -> list[str]:
        """Run one forward pass; return the paths of the layers that returned, in their order."""
        return list(map(str, self._ask("forward_there", inputs, device)))

    def export(self, inputs: Values, others: Values) -> Any:
        """Export with a dynamic batch size; return what the exported program returns."""
        return self._ask("export", inputs, others)

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self._connection.ask(method, self._lease.handle, *arguments)


class RemoteOptimizer:
    """An Adam optimizer of a network in another process."""

    def __init__(self, connection: Connection, lease: Lease) -> None:
        """Wrap the optimizer of a handle."""
        self._connection = connection
        self._lease = lease

    def step(self) -> None:
        """Update the parameters by their gradients, and clear these."""
        self._connection.ask("step", self._lease.handle)
