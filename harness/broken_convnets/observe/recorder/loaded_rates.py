"""Record the schedulers whose constructors change the learning rates of a loaded optimizer."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.gradients import Gradients
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

Rates = tuple[float, ...]  # of the groups of an optimizer


@dataclass(frozen=True, slots=True)
class RateReset:
    """A scheduler that starts a schedule, and by that changes rates that an optimizer has loaded.

    No step and no other change of the rates is between the load, at `loaded`, and the constructor,
    at `places`. `scheduler` is the number of a `BuiltScheduler`, `parameters` are those of the
    optimizer, numbers of `Record.parameters`.
    """

    type: str
    scheduler: int
    places: tuple[Place, ...]
    loaded: tuple[Place, ...]
    moment: Moment
    parameters: tuple[int, ...]
    loaded_rates: Rates
    rates: Rates


@dataclass(frozen=True, slots=True)
class _Load:
    places: tuple[Place, ...]
    steps: int  # of all optimizers, by then
    rates: Rates


class LoadedRates:
    """Replaces `Optimizer.load_state_dict`, and for the constructor of schedulers."""

    def __init__(self, record: Record, gradients: Gradients) -> None:
        """Start with no load. `Schedulers` has to stand in for the constructor before."""
        self._record = record
        self._gradients = gradients
        self._loads: weakref.WeakKeyDictionary[Any, _Load] = weakref.WeakKeyDictionary()

    def patch(self, patches: Patches) -> None:
        """Stand in for the methods."""
        patches.replace(Optimizer, "load_state_dict", self._loading)
        patches.replace(LRScheduler, "__init__", self._constructing)

    def _loading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def load_state_dict(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(optimizer, *args, **kwargs)
            try:
                if not is_compiling() and self._record.active:
                    places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                    steps = self._record.optimizer_steps.count
                    self._loads[optimizer] = _Load(places, steps, _rates(optimizer))
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return load_state_dict

    def _constructing(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(built: Any, optimizer: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  (tracebacks show the name)
            load = None if is_compiling() else self._unchanged_load(optimizer)
            original(built, optimizer, *args, **kwargs)
            try:
                if load is not None and self._record.active:
                    self._note(built, load)
            except Exception as error:  # noqa: BLE001  (as above)
                self._record.problem(error)

        return __init__

    def _unchanged_load(self, optimizer: Any) -> _Load | None:
        """Return the load of an optimizer whose rates are still those that it loaded."""
        try:
            load = self._loads.get(optimizer)
            if load is None or load.steps != self._record.optimizer_steps.count:
                return None
            return load if load.rates == _rates(optimizer) else None
        except Exception as error:  # noqa: BLE001  (as above)
            self._record.problem(error)
            return None

    def _note(self, built: Any, load: _Load) -> None:
        rates, latest = _rates(built.optimizer), self._record.built_schedulers.latest
        if latest is None or latest.type != type(built).__name__:
            return
        if rates == load.rates or built.last_epoch != 0:
            return
        parameters = [p for group in built.optimizer.param_groups for p in group["params"]]
        self._record.resumed.rate_resets.append(
            RateReset(
                type(built).__name__,
                self._record.built_schedulers.count - 1,
                latest.places,
                load.places,
                self._record.moment,
                self._gradients.followed.numbers_of(parameters),
                load.rates,
                rates,
            )
        )


def _rates(optimizer: Any) -> Rates:
    with NoDispatch(), NoFunction():  # a rate may be a tensor
        return tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups)
