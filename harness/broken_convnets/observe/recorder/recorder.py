"""Record what a program does: one context manager that switches the parts on and off."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

from broken_convnets.observe.recorder.applications import Applications
from broken_convnets.observe.recorder.construction import Constructions
from broken_convnets.observe.recorder.dispatch import DispatchCounts
from broken_convnets.observe.recorder.events import Modes, Warnings
from broken_convnets.observe.recorder.gradients import Gradients
from broken_convnets.observe.recorder.hooks import Hooks
from broken_convnets.observe.recorder.listings import Listings
from broken_convnets.observe.recorder.loaded_rates import LoadedRates
from broken_convnets.observe.recorder.loaders import Loaders
from broken_convnets.observe.recorder.mode_stack import take_off_stack
from broken_convnets.observe.recorder.module_calls import ModuleCalls
from broken_convnets.observe.recorder.operators import OperatorMode
from broken_convnets.observe.recorder.optimization import Optimization
from broken_convnets.observe.recorder.patches import (
    Patches,
    record_in_forked_children,
    stop_in_forked_children,
)
from broken_convnets.observe.recorder.record import Record
from broken_convnets.observe.recorder.removed_folders import RemovedFolders
from broken_convnets.observe.recorder.replaced_parameters import ReplacedParameters
from broken_convnets.observe.recorder.resumes import Resumes
from broken_convnets.observe.recorder.scalers import Scalers
from broken_convnets.observe.recorder.schedulers import Schedulers
from broken_convnets.observe.recorder.state_dicts import StateDicts
from broken_convnets.observe.recorder.stored_data import StoredData
from broken_convnets.observe.recorder.tracebacks import leave_out_recorder
from broken_convnets.observe.recorder.traced_networks import TracedNetworks
from broken_convnets.observe.recorder.unread_settings import UnreadSettings
from broken_convnets.observe.recorder.values import Values
from broken_convnets.observe.recorder.variables import Variables
from broken_convnets.observe.recorder.weight_loads import WeightLoads

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from broken_convnets.observe.recorder.options import Options
    from broken_convnets.observe.recorder.passes import ForwardPass


class Recorder(AbstractContextManager["Recorder"]):
    """Records what runs inside a `with` block, of every network or of `network` alone.

    Module calls and steps are seen in all threads, operators in the thread that enters. A process
    that is forked meanwhile records nothing. `on_raise` is called with each forward pass that an
    exception ended. What was replaced in torch is restored on exit, whatever happens.
    """

    def __init__(
        self,
        options: Options,
        network: nn.Module | None = None,
        on_raise: Callable[[ForwardPass, Exception], None] | None = None,
    ) -> None:
        """Start with an empty record."""
        self.record = Record(options)
        self.dispatch = DispatchCounts() if options.dispatch else None
        self._values = Values()
        self._patches = Patches()
        self._operators = OperatorMode(self.record, self._values) if options.operators else None
        steps = options.steps or options.gradients
        self._gradients = Gradients(self.record, self._values) if steps else None
        self._calls = (
            ModuleCalls(self.record, network, on_raise, self._operators, self._gradients)
            if options.calls
            else None
        )
        if self._operators is not None:
            self._operators.calls = self._calls

    def __enter__(self) -> Self:
        """Begin to record."""
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Stop recording; an exception passes through without the recorder's frames."""
        self._end()
        if error is not None:
            leave_out_recorder(error)

    def abandon(self) -> None:
        """Stop recording in a process that was forked meanwhile, wherever the fork was."""
        self._end()

    def _begin(self) -> None:
        self.record.active = True
        options = self.record.options
        parts: list[Any] = [self._calls, self._operators, self._gradients]
        parts += [Variables(self._values)] if options.operators else []
        if options.gradients and self._gradients is not None:
            parts += [
                Optimization(self.record, self._gradients),
                StateDicts(self.record, self._gradients.snapshots),
            ]
            parts += [WeightLoads(self.record), Resumes(self.record, self._gradients)]
            parts += [Hooks(self.record)]
            parts += [Schedulers(self.record), Scalers(self.record), UnreadSettings(self.record)]
            parts += [LoadedRates(self.record, self._gradients)]
            parts += [ReplacedParameters(self.record, self._gradients, self._calls)]
        parts += [Constructions(self.record, self._calls)] if options.constructions else []
        applies = options.constructions and options.operators
        parts += [Applications(self.record)] if applies else []
        parts += [Modes(self.record)] if options.modes else []
        if options.loaders:
            parts += [Loaders(self.record, self._values), StoredData(self.record, self._operators)]
            parts += [Listings(self.record)]
        parts += [RemovedFolders(self.record)] if options.datasets else []
        parts += [Warnings(self.record)] if options.warnings else []
        parts += [TracedNetworks(self.record)] if options.kept_networks else []
        stop_in_forked_children(self)
        for part in parts:
            if part is not None:
                part.patch(self._patches)
        for mode in (self._operators, self.dispatch):
            if mode is not None:
                mode.__enter__()

    def _end(self) -> None:
        if not self.record.active:
            return
        self.record.active = False
        record_in_forked_children(self)
        if self.dispatch is not None:
            self.dispatch.__exit__(None, None, None)
        if self._operators is not None:
            take_off_stack(self._operators)
        self._patches.undo()
        if self._gradients is not None:
            self._gradients.close()
