"""Note each module that is called, once, and the masks that transforms leave as they are."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.observe.modes import depends_on_mode
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.passed_masks import moves_pixels, passed_mask
from broken_convnets.observe.recorder.recorded_events import CalledModule

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.record import Record


class CalledModules:
    """Adds every module to the record at its first call."""

    def __init__(self, record: Record) -> None:
        """Start with no module noted."""
        self._record = record
        self._met: dict[int, weakref.ref[nn.Module]] = {}

    def meet(self, module: nn.Module, inputs: object) -> None:
        """Note a module at its first call, and the first mask that a transform does not change."""
        self._look_for_masks(module, inputs)
        known = self._met.get(id(module))
        if known is not None and known() is module:
            return
        met = CalledModule(
            type=type(module).__name__,
            has_parameters=any(True for _ in nn.Module.parameters(module, recurse=False)),
            depends_on_mode=depends_on_mode(module),
            module=weakref.ref(module),
        )
        self._met[id(module)] = met.module
        self._record.called.append(met)

    def _look_for_masks(self, module: nn.Module, inputs: object) -> None:
        wanted = self._record.options.datasets and self._record.passed_mask is None
        if not wanted or not moves_pixels(module):
            return
        try:
            with NoDispatch(), NoFunction():
                caller = sys._getframe(2)  # noqa: SLF001  (no public equivalent)
                self._record.passed_mask = passed_mask(module, inputs, caller)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
