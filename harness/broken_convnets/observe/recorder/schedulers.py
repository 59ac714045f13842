"""Record where a program constructs learning rate schedulers, and where it steps them."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import TORCH, user_places
from broken_convnets.observe.recorder.unread_settings import note_unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

OPTIMIZERS = f"{TORCH}/optim/"
SETTINGS = ("T_max", "step_size", "gamma", "total_steps", "total_iters", "T_0")
MILESTONES = "last_milestone"


@dataclass(frozen=True, slots=True)
class BuiltScheduler:
    """A learning rate scheduler as it was constructed, outside of another scheduler.

    `settings` are its numbers: `T_max`, `step_size`, `gamma`, `last_milestone`. `optimizer` tells
    optimizers apart. `mode` is that of ReduceLROnPlateau, `min` or `max`; else empty. `rates` are
    the learning rates that the optimizer was constructed with, each with the one that it has now.
    """

    type: str
    places: tuple[Place, ...]
    moment: Moment
    settings: dict[str, float]
    optimizer: int
    mode: str = ""
    rates: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SchedulerStep:
    """A call of a scheduler's step() by the program.

    `scheduler` is the number of a `BuiltScheduler`; None for one of the program's own class.
    `metric` is what ReduceLROnPlateau received.
    """

    scheduler: int | None
    type: str
    places: tuple[Place, ...]
    moment: Moment
    learning_rates: tuple[float, ...]  # after the step
    last_epoch: int = 0  # how often it has advanced by now, as it counts itself
    metric: float | None = None


class Schedulers:
    """Stands in for the constructor and the `step` of every scheduler of torch."""

    def __init__(self, record: Record) -> None:
        """Start with nothing constructed."""
        self._record = record
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._optimizers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def patch(self, patches: Patches) -> None:
        """Stand in for the methods."""
        for owner in (LRScheduler, ReduceLROnPlateau):  # which does not call the other's
            patches.replace(owner, "__init__", self._constructing)
        for owner in vars(lr_scheduler).values():
            is_scheduler = isinstance(owner, type) and issubclass(owner, LRScheduler)
            if is_scheduler and "step" in vars(owner):
                patches.replace(owner, "step", self._stepping)

    def _constructing(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(built: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  (tracebacks show the name)
            original(built, *args, **kwargs)
            self._note(self._note_constructed, built)

        return __init__

    def _stepping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(scheduler, *args, **kwargs)
            metric = args[0] if args else kwargs.get("metrics")
            self._note(partial(self._note_step, metric), scheduler, stepping=True)
            return result

        return step

    def _note(
        self,
        note: Callable[[Any, tuple[Place, ...]], None],
        scheduler: Any,
        *,
        stepping: bool = False,
    ) -> None:
        caller = sys._getframe(2)  # noqa: SLF001  (no public equivalent)
        if is_compiling() or not self._record.active:
            return
        if stepping and caller.f_code.co_filename.startswith(OPTIMIZERS):
            return  # a scheduler steps itself, or the schedulers inside it
        try:
            note(scheduler, user_places(caller))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _note_constructed(self, built: Any, places: tuple[Place, ...]) -> None:
        if built in self._numbers:
            return
        numbers = {name: vars(built).get(name) for name in SETTINGS}
        settings = {n: float(v) for n, v in numbers.items() if type(v) in {int, float}}
        milestones = vars(built).get("milestones")
        if milestones and all(type(number) is int for number in milestones):
            settings[MILESTONES] = float(max(milestones))
        optimizer = self._optimizers.setdefault(built.optimizer, len(self._optimizers))
        self._numbers[built] = self._record.built_schedulers.count
        mode = built.mode if isinstance(built, ReduceLROnPlateau) else ""
        name = type(built).__name__
        groups = built.optimizer.param_groups
        rates = tuple((float(g.get("initial_lr", g["lr"])), float(g["lr"])) for g in groups)
        self._record.built_schedulers.append(
            BuiltScheduler(name, places, self._record.moment, settings, optimizer, mode, rates)
        )

    def _note_step(self, metric: Any, scheduler: Any, places: tuple[Place, ...]) -> None:
        groups = scheduler.optimizer.param_groups
        note_unread(self._record, "scheduler", scheduler, groups)
        self._record.scheduler_steps.append(
            SchedulerStep(
                self._numbers.get(scheduler),
                type(scheduler).__name__,
                places,
                self._record.moment,
                tuple(float(group["lr"]) for group in groups),
                int(scheduler.last_epoch),
                _number(metric) if isinstance(scheduler, ReduceLROnPlateau) else None,
            )
        )


def _number(metric: Any) -> float | None:
    """Return a metric as a number, without an operator that the program's modes would see."""
    with NoDispatch(), NoFunction():
        return float(metric)
