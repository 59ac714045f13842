"""The events that a recorder records, as plain data.

None keeps a tensor, a module or an optimizer alive. Numbers of events count from 0 in the order in
which they began; a reference from one event to another is such a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import weakref

    from torch import nn

    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.replaced_parameters import ReplacedParameter
    from broken_convnets.observe.recorder.scopes import Scope
    from broken_convnets.observe.recorder.values import Value


class Moment(NamedTuple):
    """When something happened: how many events of each kind had begun by then."""

    forward_passes: int
    backward_passes: int
    optimizer_steps: int
    operators: int


@dataclass(slots=True, eq=False)
class Operator:
    """One call of a torch function by the program or by a layer of torch.

    `places` are those of the user's own code, the innermost first. `literals` are arguments that
    are numbers, strings, None or tuples of these, by position or keyword. `changed` are the new
    values of inputs that it wrote to. `raised` is the type of the exception that ended it. What a
    torch function calls inside is not recorded.
    """

    number: int
    name: str
    places: tuple[Place, ...]
    moment: Moment
    inputs: tuple[Value, ...]
    literals: dict[int | str, Any]
    grad_enabled: bool
    layer: str = ""  # type of the module whose forward calls it
    module: int = 0  # identity of that module; 0 if there is none
    owner: weakref.ref[nn.Module] | None = None  # that module, while it is alive
    outputs: tuple[Value, ...] = ()
    changed: tuple[Value, ...] = ()
    raised: str = ""

    @property
    def place(self) -> Place | None:
        """The user's innermost place; None if torch runs by itself."""
        return self.places[0] if self.places else None


@dataclass(frozen=True, slots=True)
class NonFinite:
    """The first operator that returned an infinity or a NaN, and when.

    `entered` is the input that had one already and that no operator had returned: a parameter or
    a batch. None if all inputs were finite.
    """

    operator: Operator
    entered: Value | None
    network: str  # type of the network that ran last
    forward_pass: int  # of that network, from 1; 0 before any
    inside: bool  # whether that pass was still running


@dataclass(slots=True, eq=False)
class Parameter:
    """A parameter of a network or an optimizer, and which backward passes its gradient holds."""

    number: int
    name: str  # in the network that was called last; empty if only an optimizer has it
    shape: tuple[int, ...]
    requires_grad: bool
    holds: tuple[int, ...] = ()  # numbers of backward passes, the earliest first
    ever_required_grad: bool = False  # at a forward pass of its network
    frozen_since: int = 0  # number of the first operator after it last required a gradient
    unfrozen: bool = False  # whether it requires a gradient, and did not at an earlier pass
    values: list[Value] = field(default_factory=list)  # that it had at forward passes
    replaces: ReplacedParameter | None = None  # how it last took the place of another one


@dataclass(slots=True, eq=False)
class BackwardPass:
    """A call of backward() or torch.autograd.grad(), and the outputs that it starts from.

    `received` are the numbers of the parameters whose `.grad` it changed, or, for grad(), that
    are among the inputs it was called with.
    """

    number: int
    kind: str  # "backward" or "grad"
    places: tuple[Place, ...]
    moment: Moment
    roots: tuple[Value, ...]
    received: tuple[int, ...] = ()
    non_finite: tuple[int, ...] = ()  # of those, whose gradient has an infinity or a NaN after it
    raised: str = ""


@dataclass(slots=True, eq=False)
class OptimizerStep:
    """A call of an optimizer's step().

    `holds` are the backward passes in the gradient of every known parameter at its begin, whether
    or not the optimizer has it; parameters without a gradient or with one of zeros are left out.
    """

    number: int
    type: str
    places: tuple[Place, ...]
    moment: Moment
    learning_rates: tuple[float, ...]
    parameters: tuple[int, ...]  # that the optimizer has
    without_gradient: tuple[int, ...]  # of those
    holds: dict[int, tuple[int, ...]]
    is_first: bool = False  # whether the optimizer has no state yet
    changed: tuple[int, ...] = ()  # of its parameters, those written to
    finished: bool = False
    unchanged: tuple[int, int] = (0, 0)  # weights of half precision that stay, and of how many
    # The largest change of each parameter without requires_grad and with a gradient of zeros.
    frozen_changes: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CalledModule:
    """A module that was called at least once."""

    type: str
    has_parameters: bool  # of its own, those of its children left aside
    depends_on_mode: bool
    module: weakref.ref[nn.Module]


@dataclass(slots=True, eq=False)
class Construction:
    """Where a module, an optimizer or a loader is constructed, and with what.

    `arguments` are those of the outermost constructor: literals as they are, others described.
    `direct` is whether the user's own code calls that constructor, and not a library. `scopes`
    are the integers that the code at the first places could name. `running` is the type of the
    module whose call was running.
    """

    kind: str  # "module", "optimizer" or "loader"
    type: str
    places: tuple[Place, ...]
    arguments: dict[str, Any]
    object: weakref.ref[Any]
    identity: int = 0  # of the object, which may be dead by now
    direct: bool = True
    scopes: tuple[Scope, ...] = ()
    running: str = ""


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A call of train() or eval() by the program."""

    training: bool
    module: weakref.ref[nn.Module]
    places: tuple[Place, ...]
    moment: Moment


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that was shown: where Python places it, and the user's own code that led to it."""

    category: str
    message: str
    file: str
    line: int
    places: tuple[Place, ...]
    moment: Moment
