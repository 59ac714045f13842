"""Note each module that is called, once."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from broken_convnets.observe.modes import depends_on_mode
from broken_convnets.observe.recorder.recorded_events import CalledModule

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.observe.recorder.record import Record


class CalledModules:
    """Adds every module to the record at its first call."""

    def __init__(self, record: Record) -> None:
        """Start with no module noted."""
        self._record = record
        self._met: dict[int, weakref.ref[nn.Module]] = {}

    def meet(self, module: nn.Module) -> None:
        """Note a module at its first call."""
        known = self._met.get(id(module))
        if known is not None and known() is module:
            return
        met = CalledModule(
            type=type(module).__name__,
            has_parameters=any(True for _ in module.parameters(recurse=False)),
            depends_on_mode=depends_on_mode(module),
            module=weakref.ref(module),
        )
        self._met[id(module)] = met.module
        self._record.called.append(met)
