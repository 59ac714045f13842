"""Record the loads of a state_dict that shares its tensors with the network that loads it."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment
    from broken_convnets.observe.recorder.snapshots import Snapshots


@dataclass(frozen=True, slots=True)
class StateLoad:
    """A load that changed nothing: the tensors of the state_dict are those of the network.

    `read` and `read_at` are where and when the network's state_dict() was called last before.
    """

    places: tuple[Place, ...]
    moment: Moment
    read: tuple[Place, ...]
    read_at: Moment


class StateDicts:
    """Stands in for `nn.Module.state_dict` and `load_state_dict`."""

    def __init__(self, record: Record, snapshots: Snapshots) -> None:
        """Start with no state_dict known; `snapshots` follows those that are read."""
        self._record = record
        self._snapshots = snapshots
        self._read: weakref.WeakKeyDictionary[Any, tuple[tuple[Place, ...], Moment]] = (
            weakref.WeakKeyDictionary()
        )

    def patch(self, patches: Patches) -> None:
        """Stand in for both methods."""
        patches.replace(nn.Module, "state_dict", self._reading)
        patches.replace(nn.Module, "load_state_dict", self._loading)

    def _reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            nested = bool(args or "prefix" in kwargs or "destination" in kwargs)
            try:
                if not is_compiling() and not nested:
                    places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                    self._read[module] = (places, self._record.moment)
                    self._snapshots.meet(module, result, places)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return state_dict

    def _loading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def load_state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            state = args[0] if args else kwargs.get("state_dict")
            try:
                if not is_compiling() and module in self._read and _shares(module, state):
                    places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                    found = StateLoad(places, self._record.moment, *self._read[module])
                    self._record.state_loads.append(found)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return original(module, *args, **kwargs)

        return load_state_dict


def _shares(module: nn.Module, state: Mapping[str, Any] | Any) -> bool:
    """Return whether every parameter of `module` has its own storage in `state`."""
    with NoDispatch(), NoFunction():
        own = dict(module.named_parameters())
        pointers = {name: parameter.data_ptr() for name, parameter in own.items()}
        return bool(own) and all(
            name in state and state[name].data_ptr() == pointer and pointer
            for name, pointer in pointers.items()
        )
