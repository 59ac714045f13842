"""Record the calls of a GradScaler: scale, unscale_, step and update."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.recorder.aside import is_compiling
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

METHODS = ("scale", "unscale_", "step", "update")


@dataclass(frozen=True, slots=True)
class ScalerCall:
    """A call of a method of an enabled GradScaler, when it began; `scale` is its factor then."""

    method: str
    places: tuple[Place, ...]
    moment: Moment
    scale: float


class Scalers:
    """Stands in for the methods of `torch.amp.GradScaler`, which those of devices inherit."""

    def __init__(self, record: Record) -> None:
        """Start with no call."""
        self._record = record

    def patch(self, patches: Patches) -> None:
        """Stand in for the methods; torch before 2.3 has none for all devices."""
        scaler = getattr(torch.amp, "GradScaler", None)
        for name in METHODS if scaler is not None else ():
            patches.replace(scaler, name, self._standing_in)

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        name = original.__name__

        def stand_in(scaler: Any, *args: Any, **kwargs: Any) -> Any:
            if self._record.active and not is_compiling():
                self._note(name, scaler)
            return original(scaler, *args, **kwargs)

        return stand_in

    def _note(self, name: str, scaler: Any) -> None:
        try:
            if not scaler.is_enabled():
                return
            places = user_places(sys._getframe(2))  # noqa: SLF001  (no public equivalent)
            inside = places == () or sys._getframe(2).f_code.co_filename.endswith("grad_scaler.py")  # noqa: SLF001  (as above)
            if not inside:
                factor = float(scaler.get_scale())
                call = ScalerCall(name, places, self._record.moment, factor)
                self._record.scaler_calls.append(call)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
