"""Record where a program puts a new parameter in the place of one that is followed already."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.gradients import Gradients
    from broken_convnets.observe.recorder.module_calls import ModuleCalls
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment


@dataclass(frozen=True, slots=True)
class ReplacedParameter:
    """A parameter of a module that became another one; both are numbers of parameters.

    `running` is whether a call of a module was running.
    """

    name: str  # in the module
    type: str  # of the module
    module: weakref.ref[nn.Module]
    places: tuple[Place, ...]
    moment: Moment
    former: int
    current: int
    running: bool


class ReplacedParameters:
    """Stands in for `register_parameter`, which runs at every assignment of a parameter."""

    def __init__(self, record: Record, gradients: Gradients, calls: ModuleCalls | None) -> None:
        """Start with none. `calls` are those that the same recorder follows."""
        self._calls = calls
        self._record = record
        self._gradients = gradients

    def patch(self, patches: Patches) -> None:
        """Stand in for the method."""
        patches.replace(nn.Module, "register_parameter", self._registering)

    def _registering(self, original: Callable[..., None]) -> Callable[..., None]:
        def register_parameter(module: Any, name: Any, param: Any) -> None:
            held = vars(module).get("_parameters") or {}
            former = held.get(name)
            original(module, name, param)
            if former is None or param is None or former is param or is_compiling():
                return
            if self._record.active:
                self._note(module, name, former, param)

        return register_parameter

    def _note(self, module: nn.Module, name: str, former: Any, current: Any) -> None:
        try:
            with NoDispatch(), NoFunction():
                known = self._gradients.followed.known([former])
                if not known:
                    return
                number = self._gradients.followed.numbers_of([current])[0]
                self._record.parameters[number].replaces = ReplacedParameter(
                    name,
                    type(module).__name__,
                    weakref.ref(module),
                    user_places(sys._getframe(2)),  # noqa: SLF001  (no public equivalent)
                    self._record.moment,
                    known[0],
                    number,
                    running=self._calls is not None and self._calls.innermost is not None,
                )
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
