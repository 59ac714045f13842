"""Record which entries of a state_dict a network loads, and which it does not."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

KEYS = 2_000  # that are kept of one load
STATES = 16  # of the program, the latest, whose shapes are kept
State = tuple["weakref.ref[nn.Module] | None", dict[str, tuple[int, ...]]]
SUMS = 16  # missing keys whose parameters are looked at


@dataclass(frozen=True, slots=True)
class WeightLoad:
    """A call of load_state_dict() that returned.

    `missing` are keys that only the network has, `unexpected` those that only the state_dict has,
    `loaded` is how many both have. `left` are the sums of the matrices and filters among the
    parameters that the load left at random values although another state_dict of the program has
    an entry of that name, or this one an unexpected entry, of the same shape.
    """

    type: str
    module: weakref.ref[nn.Module]
    places: tuple[Place, ...]
    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    moment: Moment
    left: dict[str, float]

    def still_random(self) -> list[str]:
        """Return the names of the parameters that have the random values of before the load."""
        module = self.module()
        if module is None:
            return []
        now = _random_sums(module, self.left)
        return [name for name, total in self.left.items() if now.get(name) == total]


class WeightLoads:
    """Stands in for `nn.Module.load_state_dict`."""

    def __init__(self, record: Record) -> None:
        """Start with no load."""
        self._record = record
        self._states: deque[State] = deque(maxlen=STATES)

    def patch(self, patches: Patches) -> None:
        """Stand in for the methods, and for torch.load."""
        patches.replace(nn.Module, "load_state_dict", self._loading)
        patches.replace(nn.Module, "state_dict", self._reading)
        patches.replace(torch, "load", self._loading_file)

    def _reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            if not (args or kwargs):
                self._see(result, module)
            return result

        return state_dict

    def _loading_file(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def load(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            for value in (result, *(result.values() if isinstance(result, dict) else ())):
                self._see(value, None)
            return result

        return load

    def _see(self, state: object, module: nn.Module | None) -> None:
        """Note the shapes of a state_dict, by name, and the module that it is read from."""
        if not isinstance(state, dict) or is_compiling() or not self._record.active:
            return
        items = list(state.items())[:KEYS]
        shapes = {n: tuple(v.shape) for n, v in items if isinstance(v, torch.Tensor)}
        if shapes:
            self._states.append((weakref.ref(module) if module is not None else None, shapes))

    def _could_load(self, module: nn.Module, state: Any, result: Any) -> list[str]:
        """Return the missing parameters for which there was an entry of the same shape."""
        others = [shapes for owner, shapes in self._states if not owner or owner() is not module]
        unexpected = [state[name] for name in result.unexpected_keys]
        spare = {tuple(one.shape) for one in unexpected if isinstance(one, torch.Tensor)}
        parameters = dict(module.named_parameters())
        missing = [name for name in result.missing_keys if name in parameters][:SUMS]
        return [
            name
            for name in missing
            if tuple(parameters[name].shape) in spare
            or any(shapes.get(name) == tuple(parameters[name].shape) for shapes in others)
        ]

    def _loading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def load_state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            try:
                if not is_compiling() and self._record.active:
                    state = args[0] if args else kwargs["state_dict"]
                    places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                    load = _load(module, state, result, places, self._record.moment)
                    load.left.update(_random_sums(module, self._could_load(module, state, result)))
                    self._record.weight_loads.append(load)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return load_state_dict


def _load(
    module: nn.Module, state: Any, result: Any, places: tuple[Place, ...], moment: Moment
) -> WeightLoad:
    unexpected = tuple(map(str, result.unexpected_keys))
    return WeightLoad(
        type=type(module).__name__,
        module=weakref.ref(module),
        places=places,
        loaded=len(state) - len(unexpected),
        missing=tuple(result.missing_keys)[:KEYS],
        unexpected=unexpected[:KEYS],
        moment=moment,
        left={},
    )


def _random_sums(module: nn.Module, names: Iterable[str]) -> dict[str, float]:
    """Return the sums of those parameters that are matrices or filters and not constant."""
    parameters = dict(module.named_parameters())
    with torch.no_grad(), NoDispatch(), NoFunction():
        found = {name: parameters[name].detach() for name in names if name in parameters}
        return {
            name: float(tensor.double().sum())
            for name, tensor in found.items()
            if tensor.ndim > 1 and tensor.device.type != "meta" and bool(tensor.double().std() > 0)
        }
