"""Find rows of steps in which episodes end before the last step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.places import user_frames
from broken_convnets.observe.recorder.reachable import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

NAME = re.compile(r"done|termina|mask|alive|(^|_)ends?($|_)", re.IGNORECASE)
CONTINUES = re.compile(r"mask|non_?termina|not_|alive", re.IGNORECASE)  # 0 is the end
FIRST = 32  # operator at which the program is looked at first, then after twice as many
FRAMES = 6
VARIABLES = 200
STEPS = 4  # of a row, at least
LARGE = 100_000


@dataclass(frozen=True, slots=True)
class EpisodeEnds:
    """A collection with a number, or a row of numbers, for each step.

    `ends` are the steps before the last one after which an episode ends.
    """

    file: str
    name: str
    steps: int
    ends: int


class EpisodeEndsLook:
    """Looks at the variables of the functions that run, by names such as `dones` and `masks`."""

    def __init__(self, record: Record) -> None:
        """Start with no collection known."""
        self._record = record
        self.due = FIRST  # operator at which the program is looked at

    def look(self, operator: Operator, caller: FrameType) -> None:
        """Look at the collections, which is due at this operator."""
        self.due = 2 * operator.number
        try:
            with NoDispatch(), NoFunction():
                for frame in user_frames(caller, FRAMES):
                    self._add(frame)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _add(self, frame: FrameType) -> None:
        known = self._record.content_facts.episode_ends
        for name, value in _named(frame):
            found = _ends(frame.f_code.co_filename, name, value)
            if found is not None:
                former = known.setdefault((found.file, name), found)
                known[found.file, name] = max(former, found, key=lambda one: one.ends)


def _named(frame: FrameType) -> Iterator[tuple[str, Any]]:
    for name, value in list(frame.f_locals.items())[:VARIABLES]:
        if NAME.search(name):
            yield name, value
        elif not isinstance(value, type | ModuleType):
            for attribute, item in list(getattr(value, "__dict__", {}).items())[:VARIABLES]:
                if isinstance(attribute, str) and NAME.search(attribute):
                    yield attribute, item


def _ends(file: str, name: str, value: Any) -> EpisodeEnds | None:
    """Return facts of a collection of ends; None if it does not consist of zeros and ones."""
    if isinstance(value, list | tuple) and STEPS <= len(value) <= LARGE:
        rows = [_numbers(one) for one in value]
        if len({len(row) for row in rows}) != 1:
            return None
        table = np.stack(rows)
    elif isinstance(value, torch.Tensor | np.ndarray) and value.ndim and len(value) >= STEPS:
        numbers = _numbers(value)
        table = numbers.reshape(len(value), -1) if len(numbers) else numbers[:, None]
    else:
        return None
    if not 0 < table.size <= LARGE or not np.isin(table, (0, 1)).all():
        return None
    over = table == (0 if CONTINUES.search(name) else 1)
    return EpisodeEnds(file, name, len(table), int(over[:-1].any(1).sum()))


def _numbers(value: Any) -> np.ndarray[Any, Any]:
    """Return numbers in a row; an empty row for other objects, and for what is not in memory."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy() if is_plain(value) and value.numel() <= LARGE else ()
    is_number = isinstance(value, bool | int | float | np.generic)
    if not is_number and not isinstance(value, np.ndarray):
        return np.zeros(0)
    array = np.asarray(value)
    plain = array.dtype.kind in "biuf" and array.size <= LARGE
    return array.astype(float).reshape(-1) if plain else np.zeros(0)
