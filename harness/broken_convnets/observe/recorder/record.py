"""What a recorder has recorded, and questions that readers ask of it.

Nothing here keeps a tensor, a module or an optimizer alive, except `kept_networks`. Numbers of
events count from 0 in the order in which they began; a reference from one event to another is such
a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.observe.recorder.bounded import Bounded
from broken_convnets.observe.recorder.content_facts import ContentFacts
from broken_convnets.observe.recorder.folder_facts import FolderFacts
from broken_convnets.observe.recorder.passes import running_modules
from broken_convnets.observe.recorder.recorded_events import Moment
from broken_convnets.observe.recorder.resume_facts import ResumeFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.observe.facts import Layer
    from broken_convnets.observe.recorder.applications import Application
    from broken_convnets.observe.recorder.boxes import BoxCall
    from broken_convnets.observe.recorder.contents import Contents
    from broken_convnets.observe.recorder.held_tensors import HeldTensors
    from broken_convnets.observe.recorder.hooks import RegisteredHook
    from broken_convnets.observe.recorder.kept_outputs import KeptOutputs
    from broken_convnets.observe.recorder.loaders import Loader
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.metric_calls import MetricCall
    from broken_convnets.observe.recorder.nearest import Nearest
    from broken_convnets.observe.recorder.networks import Network
    from broken_convnets.observe.recorder.optimization import (
        BuiltOptimizer,
        Clipping,
    )
    from broken_convnets.observe.recorder.options import Options
    from broken_convnets.observe.recorder.passed_masks import PassedMask
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import (
        BackwardPass,
        CalledModule,
        Construction,
        ModeChange,
        NonFinite,
        Operator,
        OptimizerStep,
        Parameter,
        Warned,
    )
    from broken_convnets.observe.recorder.scalers import ScalerCall
    from broken_convnets.observe.recorder.schedulers import BuiltScheduler, SchedulerStep
    from broken_convnets.observe.recorder.snapshots import Snapshot
    from broken_convnets.observe.recorder.state_dicts import StateLoad
    from broken_convnets.observe.recorder.stored_data import RewrittenData
    from broken_convnets.observe.recorder.structure import Structure
    from broken_convnets.observe.recorder.traced_networks import TracedNetwork
    from broken_convnets.observe.recorder.triplets import Triplet
    from broken_convnets.observe.recorder.unread_settings import UnreadSetting
    from broken_convnets.observe.recorder.unwritten import Unwritten
    from broken_convnets.observe.recorder.values import Value
    from broken_convnets.observe.recorder.weight_loads import WeightLoad

METRICS = 50  # user functions whose arguments are kept


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
        self.sample_passes: Bounded[ForwardPass] = Bounded(limit)  # of transforms in a dataset
        self.reads_sample = False  # whether the next batch of a loader is being read
        self.called: Bounded[CalledModule] = Bounded(options.operator_limit)
        self.operators: Bounded[Operator] = Bounded(options.operator_limit)
        self.losses: Bounded[LossCall] = Bounded(limit)
        self.metric_calls: Bounded[MetricCall] = Bounded(METRICS)
        self.read_inputs: dict[int, Contents] = {}  # by operator: log, div, casts, & of integers
        self.parameters: list[Parameter] = []
        self.backward_passes: Bounded[BackwardPass] = Bounded(limit)
        self.optimizer_steps: Bounded[OptimizerStep] = Bounded(limit)
        self.constructions: Bounded[Construction] = Bounded(options.operator_limit)
        self.applications: Bounded[Application] = Bounded(limit)  # of functions to all modules
        self.built_optimizers: Bounded[BuiltOptimizer] = Bounded(limit)
        self.built_schedulers: Bounded[BuiltScheduler] = Bounded(limit)
        self.scheduler_steps: Bounded[SchedulerStep] = Bounded(limit)
        self.unread_settings: dict[tuple[str, str], UnreadSetting] = {}  # by owner and name
        self.scaler_calls: Bounded[ScalerCall] = Bounded(limit)
        self.rewritten: list[RewrittenData] = []  # data that reading a dataset modifies
        self.clippings: Bounded[Clipping] = Bounded(limit)
        self.state_loads: Bounded[StateLoad] = Bounded(limit)
        self.snapshots: Bounded[Snapshot] = Bounded(limit)  # results of state_dict()
        self.resumed = ResumeFacts(Bounded(limit), Bounded(limit))
        self.weight_loads: Bounded[WeightLoad] = Bounded(limit)
        self.traced_networks: list[TracedNetwork] = []  # by torch.jit.trace, alive
        self.structures: list[Structure] = []
        self.held_tensors: list[HeldTensors] = []  # of each network, before its first pass
        self.hooks: Bounded[RegisteredHook] = Bounded(limit)
        self.content_facts = ContentFacts()
        self.unwritten: list[Unwritten] = []  # of each network, at its first pass
        self.kept_networks: list[nn.Module] = []  # alive, only if the options say so
        self.kept_graphs: Bounded[int] = Bounded(limit)  # earlier roots, at each backward pass
        self.kept_outputs: Bounded[KeptOutputs] = Bounded(limit)
        self.mode_changes: Bounded[ModeChange] = Bounded(limit)
        self.loaders: list[Loader] = []
        self.folders = FolderFacts()
        self.passed_mask: PassedMask | None = None  # the first one
        self.nearest: Bounded[Nearest] = Bounded(limit)
        self.box_calls: Bounded[BoxCall] = Bounded(limit)
        self.triplets: Bounded[Triplet] = Bounded(limit)  # of each place, the first call
        self.warnings: Bounded[Warned] = Bounded(limit)
        self.first_non_finite: NonFinite | None = None
        self._failed = (0, "")  # identity of the last exception, and the operator that raised it
        self.problems: list[str] = []  # of the recorder itself: what it could not record

    def add_pass(self, begun: ForwardPass, *, has_state: bool) -> None:
        """Add a pass; transforms of samples are so many that they have a list of their own."""
        of_sample = self.reads_sample or any(p.function == "__getitem__" for p in begun.places)
        (self.sample_passes if of_sample and not has_state else self.passes).append(begun)

    def add_backward_pass(self, begun: BackwardPass) -> None:
        """Add a backward pass. What precedes the first one, as the data, pushes nothing out."""
        if not self.backward_passes.count:
            self.operators.begin_again()
        self.backward_passes.append(begun)

    def all_passes(self) -> Iterator[ForwardPass]:
        """Yield the passes of transforms in datasets, and then all others."""
        yield from self.sample_passes
        yield from self.passes

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
