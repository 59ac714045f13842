"""Record where a program constructs optimizers, and where it clips gradients."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import utils
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

CLIPPING = ("clip_grad_norm_", "clip_grad_value_")


@dataclass(frozen=True, slots=True)
class BuiltOptimizer:
    """An optimizer as it was constructed; `parameters` are numbers of `Record.parameters`."""

    type: str
    places: tuple[Place, ...]
    moment: Moment
    parameters: tuple[int, ...]
    learning_rates: tuple[float, ...]
    settings: dict[str, float]  # numbers of the first group: momentum; options are 0 or 1


@dataclass(frozen=True, slots=True)
class Clipping:
    """A call that clips gradients; `empty` if it received no parameter.

    `norm` is what clip_grad_norm_ returned, and `limit` what it was called with; else None.
    """

    places: tuple[Place, ...]
    moment: Moment
    empty: bool
    norm: float | None = None
    limit: float | None = None


class Optimization:
    """Stands in for the constructors of optimizers, and for gradient clipping."""

    def __init__(self, record: Record, gradients: Gradients) -> None:
        """Start with nothing constructed."""
        self._record = record
        self._gradients = gradients

    def patch(self, patches: Patches) -> None:
        """Stand in for the constructors and functions."""
        patches.replace(Optimizer, "__init__", self._wrapping(self._note_optimizer))
        for name in CLIPPING:
            patches.replace(utils, name, self._clipping)

    def _wrapping(self, note: Callable[[Any, Any], None]) -> Callable[[Any], Callable[..., None]]:
        def wrap(original: Callable[..., None]) -> Callable[..., None]:
            def __init__(built: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  (tracebacks show the name)
                original(built, *args, **kwargs)
                if is_compiling():
                    return
                try:
                    note(built, sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                    self._record.problem(error)

            return __init__

        return wrap

    def _note_optimizer(self, built: Any, caller: Any) -> None:
        parameters = [p for group in built.param_groups for p in group["params"]]
        self._record.built_optimizers.append(
            BuiltOptimizer(
                type(built).__name__,
                user_places(caller),
                self._record.moment,
                self._gradients.followed.numbers_of(parameters),
                tuple(float(group.get("lr", 0.0)) for group in built.param_groups),
                _numbers(built.defaults),
            )
        )

    def _clipping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._record.active or is_compiling():
                return original(parameters, *args, **kwargs)
            places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
            moment, empty = self._record.moment, _is_empty(parameters)
            result = original(parameters, *args, **kwargs)
            with NoDispatch(), NoFunction():
                norm, limit = map(_number, (result, args[0] if args else kwargs.get("max_norm")))
            self._record.clippings.append(Clipping(places, moment, empty, norm, limit))
            return result

        return clip


def _numbers(settings: dict[str, Any]) -> dict[str, float]:
    plain = {bool, int, float}
    return {name: float(value) for name, value in settings.items() if type(value) in plain}


def _number(value: object) -> float | None:
    """Return a number, or that in a tensor of one element on the CPU; None for anything else."""
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 and value.device.type == "cpu" else None
    return float(value) if isinstance(value, int | float) else None


def _is_empty(parameters: object) -> bool:
    """Return whether there is no item, without reading an item of a generator."""
    if isinstance(parameters, Generator):
        return inspect.getgeneratorstate(parameters) == inspect.GEN_CLOSED
    return isinstance(parameters, list | tuple) and not parameters
