"""Record which entries of a state_dict a network loads, and which it does not."""

from __future__ import annotations

import sys
import weakref
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
    from broken_convnets.observe.recorder.record import Moment, Record

KEYS = 2_000  # that are kept of one load
SUMS = 16  # missing keys whose parameters are looked at


@dataclass(frozen=True, slots=True)
class WeightLoad:
    """A call of load_state_dict() that returned.

    `missing` are keys that only the network has, `unexpected` those that only the state_dict has,
    `loaded` is how many both have. `left` are the sums of the matrices and filters among the
    parameters that the load left at random values, by name.
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

    def patch(self, patches: Patches) -> None:
        """Stand in for the method."""
        patches.replace(nn.Module, "load_state_dict", self._loading)

    def _loading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def load_state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            try:
                if not is_compiling() and self._record.active:
                    state = args[0] if args else kwargs["state_dict"]
                    places = user_places(sys._getframe(1))  # noqa: SLF001  (there is no public one)
                    load = _load(module, state, result, places, self._record.moment)
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
        left=_random_sums(module, tuple(result.missing_keys)[:SUMS]),
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
