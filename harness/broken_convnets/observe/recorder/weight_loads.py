"""Record which entries of a state_dict a network loads, and which it does not."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.recorder.aside import is_compiling
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record

KEYS = 2_000  # that are kept of one load


@dataclass(frozen=True, slots=True)
class WeightLoad:
    """A call of load_state_dict() that returned.

    `missing` are keys that only the network has, `unexpected` those that only the state_dict has,
    `loaded` is how many both have.
    """

    type: str
    module: weakref.ref[nn.Module]
    places: tuple[Place, ...]
    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


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
                    self._record.weight_loads.append(_load(module, state, result, places))
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return load_state_dict


def _load(module: nn.Module, state: Any, result: Any, places: tuple[Place, ...]) -> WeightLoad:
    unexpected = tuple(map(str, result.unexpected_keys))
    return WeightLoad(
        type=type(module).__name__,
        module=weakref.ref(module),
        places=places,
        loaded=len(state) - len(unexpected),
        missing=tuple(result.missing_keys)[:KEYS],
        unexpected=unexpected[:KEYS],
    )
