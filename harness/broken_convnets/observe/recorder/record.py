"""What a recorder has recorded: events as plain data, and questions that readers ask of them.

Nothing here keeps a tensor, a module or an optimizer alive, except `kept_networks`. Numbers of
events count from 0 in the order in which they began; a reference from one event to another is such
a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from broken_convnets.observe.recorder.bounded import Bounded
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    import weakref

    from torch import nn

    from broken_convnets.observe.facts import Layer
    from broken_convnets.observe.recorder.contents import Contents
    from broken_convnets.observe.recorder.held_tensors import HeldTensors
    from broken_convnets.observe.recorder.kept_outputs import KeptOutputs
    from broken_convnets.observe.recorder.loaders import Loader
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.metric_calls import MetricCall
    from broken_convnets.observe.recorder.networks import Network
    from broken_convnets.observe.recorder.optimization import (
        BuiltOptimizer,
        Clipping,
    )
    from broken_convnets.observe.recorder.options import Options
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.resumes import Resume
    from broken_convnets.observe.recorder.scalers import ScalerCall
    from broken_convnets.observe.recorder.schedulers import BuiltScheduler, SchedulerStep
    from broken_convnets.observe.recorder.scopes import Scope
    from broken_convnets.observe.recorder.snapshots import Snapshot
    from broken_convnets.observe.recorder.state_dicts import StateLoad
    from broken_convnets.observe.recorder.stored_data import RewrittenData
    from broken_convnets.observe.recorder.structure import Structure
    from broken_convnets.observe.recorder.values import Value
    from broken_convnets.observe.recorder.weight_loads import WeightLoad

METRICS = 50  # user functions whose arguments are kept


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
    values: list[Value] = field(default_factory=list)  # that it had at forward passes


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


class Record:
    """All that was recorded. Parts that were switched off are empty."""

    def __init__(self, options: Options) -> None:
        """Start with nothing recorded."""
        limit = options.event_limit
        self.options = options
        self.active = False  # whether events are being added
        self.networks: list[Network] = []  # by when their last passes began
        self.last_pass: ForwardPass | None = None
        self.passes: Bounded[ForwardPass] = Bounded(limit)
        self.called: Bounded[CalledModule] = Bounded(options.operator_limit)
        self.operators: Bounded[Operator] = Bounded(options.operator_limit)
        self.losses: Bounded[LossCall] = Bounded(limit)
        self.metric_calls: Bounded[MetricCall] = Bounded(METRICS)
        self.pole_inputs: dict[int, Contents] = {}  # by number of operator: log, sqrt, div
        self.parameters: list[Parameter] = []
        self.backward_passes: Bounded[BackwardPass] = Bounded(limit)
        self.optimizer_steps: Bounded[OptimizerStep] = Bounded(limit)
        self.constructions: Bounded[Construction] = Bounded(options.operator_limit)
        self.built_optimizers: Bounded[BuiltOptimizer] = Bounded(limit)
        self.built_schedulers: Bounded[BuiltScheduler] = Bounded(limit)
        self.scheduler_steps: Bounded[SchedulerStep] = Bounded(limit)
        self.scaler_calls: Bounded[ScalerCall] = Bounded(limit)
        self.rewritten: list[RewrittenData] = []  # data that reading a dataset modifies
        self.clippings: Bounded[Clipping] = Bounded(limit)
        self.state_loads: Bounded[StateLoad] = Bounded(limit)
        self.snapshots: Bounded[Snapshot] = Bounded(limit)  # results of state_dict()
        self.resumes: Bounded[Resume] = Bounded(limit)
        self.weight_loads: Bounded[WeightLoad] = Bounded(limit)
        self.structures: list[Structure] = []
        self.held_tensors: list[HeldTensors] = []  # of each network, before its first pass
        self.kept_networks: list[nn.Module] = []  # alive, only if the options say so
        self.kept_graphs: Bounded[int] = Bounded(limit)  # earlier roots, at each backward pass
        self.kept_outputs: Bounded[KeptOutputs] = Bounded(limit)
        self.mode_changes: Bounded[ModeChange] = Bounded(limit)
        self.loaders: list[Loader] = []
        self.warnings: Bounded[Warned] = Bounded(limit)
        self.first_non_finite: NonFinite | None = None
        self._failed = (0, "")  # identity of the last exception, and the operator that raised it
        self.problems: list[str] = []  # of the recorder itself: what it could not record

    @property
    def moment(self) -> Moment:
        """How many events of each kind have begun by now."""
        return Moment(
            self.passes.count,
            self.backward_passes.count,
            self.optimizer_steps.count,
            self.operators.count,
        )

    def producer(self, value: Value) -> Operator | None:
        """Return the operator that returned a value; None if none did, or it was pushed out."""
        return None if value.operator is None else self.operators.find(value.operator)

    def consumers(self, value: Value) -> list[Operator]:
        """Return the operators that took a value as input."""
        return [operator for operator in self.operators if value in operator.inputs]

    def stale(self, step: OptimizerStep) -> list[Parameter]:
        """Return the parameters that a step updates by gradients from before their own last step.

        Holds for several optimizers, gradient accumulation and closures, without any threshold.
        """
        own = {key: self._passes_at_last_step(key, step) for key in step.parameters}
        return [
            self.parameters[key]
            for key, passes in step.holds.items()
            if key in own and passes[0] < own[key]
        ]

    def left_over(self, step: OptimizerStep) -> list[Parameter]:
        """Return all parameters whose gradients at a step are older than the step before it."""
        previous = self.optimizer_steps.find(step.number - 1) if step.number else None
        fresh = previous.moment.backward_passes if previous else 0
        return [self.parameters[key] for key, passes in step.holds.items() if passes[0] < fresh]

    def _passes_at_last_step(self, key: int, step: OptimizerStep) -> int:
        earlier = [s for s in self.optimizer_steps if s.number < step.number]
        own = (s for s in reversed(earlier) if key in s.parameters)
        return next((s.moment.backward_passes for s in own), 0)

    def constructed_modules(self) -> list[nn.Module]:
        """Return the modules that were constructed and are still alive."""
        found = (one.object() for one in self.constructions if one.kind == "module")
        return [module for module in found if module is not None]

    def construction(self, subject: object) -> Construction | None:
        """Return where an object that is still alive was constructed."""
        return next((found for found in self.constructions if found.object() is subject), None)

    def construction_of(self, operator: Operator) -> Construction | None:
        """Return where the module whose forward calls an operator was constructed."""
        found = (c for c in reversed(list(self.constructions)) if c.identity == operator.module)
        return next((c for c in found if c.type == operator.layer), None)

    def failed_operator(self, error: BaseException) -> str:
        """Return the operator that raised `error`, with its arguments described; empty if none.

        None did if a module call raised it, or an argument that torch refuses earlier.
        """
        known, text = self._failed
        return text if known == id(error) else ""

    def note_failed(self, error: BaseException, operator: str) -> None:
        """Note which operator raised, unless something further inside was noted already."""
        if self._failed[0] != id(error):
            self._failed = (id(error), operator)

    def layers(self, error: BaseException | None = None) -> list[Layer]:
        """Return the calls of the last forward pass, the one that raised `error` marked."""
        running = running_modules(error) if error else []
        failing = running[-1] if running else None
        return self.last_pass.layers(failing) if self.last_pass else []

    def problem(self, error: Exception) -> None:
        """Note that an event could not be recorded; the program goes on."""
        if len(self.problems) < self.options.event_limit:
            self.problems.append(f"{type(error).__name__}: {error}")
