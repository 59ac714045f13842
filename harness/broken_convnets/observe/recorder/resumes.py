"""Record the checkpoints from which networks load their weights, with what else they contain."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.recorder.aside import is_compiling
from broken_convnets.observe.recorder.places import user_frames, user_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.gradients import Gradients
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

FRAMES = 3  # whose names may hold the checkpoint
NAMES = 200  # of one frame or object
DEPTH = 2  # of mappings inside mappings
LIBRARIES = ("torch", "numpy", "builtins")  # whose objects hold no checkpoint of the user's


@dataclass(frozen=True, slots=True)
class Resume:
    """A load of weights out of a checkpoint, a mapping that contains more than one state_dict.

    `counters` are its positive integers by key. `parameters` are numbers of `Record.parameters`.
    """

    places: tuple[Place, ...]
    moment: Moment
    scheduler_steps: int  # of all schedulers, by then
    parameters: tuple[int, ...]
    counters: dict[str, int]
    has_optimizer: bool
    has_scheduler: bool


class Resumes:
    """Stands in for `nn.Module.load_state_dict`."""

    def __init__(self, record: Record, gradients: Gradients) -> None:
        """Start with no load."""
        self._record = record
        self._gradients = gradients

    def patch(self, patches: Patches) -> None:
        """Stand in for the method."""
        patches.replace(nn.Module, "load_state_dict", self._loading)

    def _loading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def load_state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            try:
                if not is_compiling() and self._record.active:
                    state = args[0] if args else kwargs["state_dict"]
                    self._note(module, state, sys._getframe(1))  # noqa: SLF001  (no public equivalent)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return load_state_dict

    def _note(self, module: nn.Module, state: object, caller: FrameType) -> None:
        checkpoint = next(
            (found for found in _mappings(caller) if any(v is state for v in found.values())), None
        )
        if checkpoint is None:
            return
        values = list(_nested(checkpoint))
        found = Resume(
            places=user_places(caller),
            moment=self._record.moment,
            scheduler_steps=self._record.scheduler_steps.count,
            parameters=self._gradients.followed.numbers_of(module.parameters()),
            counters={str(k): v for k, v in checkpoint.items() if type(v) is int and v > 0},
            has_optimizer=any("param_groups" in value for value in values),
            has_scheduler=any("last_epoch" in value for value in values),
        )
        self._record.resumed.loads.append(found)


def _mappings(caller: FrameType) -> Iterator[Mapping[Any, Any]]:
    """Yield the dictionaries that the user's frames and their objects can name."""
    for frame in user_frames(caller, FRAMES):
        for value in list(frame.f_locals.values())[:NAMES]:
            yield from _of_value(value)


def _of_value(value: object) -> Iterator[Mapping[Any, Any]]:
    if isinstance(value, dict):
        yield value
    elif not type(value).__module__.startswith(LIBRARIES):
        fields = list(getattr(value, "__dict__", {}).values())[:NAMES]
        yield from (field for field in fields if isinstance(field, dict))


def _nested(mapping: Mapping[Any, Any], depth: int = DEPTH) -> Iterator[Mapping[Any, Any]]:
    for value in list(mapping.values())[:NAMES]:
        if isinstance(value, Mapping):
            yield value
            if depth > 1:
                yield from _nested(value, depth - 1)
