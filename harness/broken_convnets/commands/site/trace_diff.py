"""Align the layer traces of the broken and the fixed program, and find the first difference."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from broken_convnets.commands.site.trace_events import Event, Fold, Layer, events

if TYPE_CHECKING:
    from broken_convnets.verdicts.records import Side

FOLD = 8  # a longer run of equal rows is folded
FOLD_EDGE = 2  # equal rows that stay visible at either end of a fold


@dataclass(frozen=True)
class Row:
    """An event of each side; None if a side has no event here."""

    broken: Event | None
    fixed: Event | None

    @property
    def equal(self) -> bool:
        """Whether both sides have the same event."""
        return self.broken == self.fixed


@dataclass(frozen=True)
class TraceDiff:
    """Two aligned traces. `first` is the index of the first different row; None if none is."""

    rows: list[Row]
    first: int | None


def compare(broken: Side, fixed: Side) -> TraceDiff:
    """Align the traces of two recorded sides, and fold long runs of equal rows."""
    rows = _fold(_align(events(broken), events(fixed)))
    first = next((index for index, row in enumerate(rows) if not row.equal), None)
    return TraceDiff(rows, first)


def _align(broken: list[Event], fixed: list[Event]) -> list[Row]:
    matcher = SequenceMatcher(
        None,
        [_alignment_key(event) for event in broken],
        [_alignment_key(event) for event in fixed],
        autojunk=False,
    )
    return [
        Row(one, other)
        for _, a, b, c, d in matcher.get_opcodes()
        for one, other in zip_longest(broken[a:b], fixed[c:d])
    ]


def _alignment_key(event: Event) -> tuple[str, str]:
    return (type(event).__name__, getattr(event, "path", ""))


def _fold(rows: list[Row]) -> list[Row]:
    visible: list[Row] = []
    for equal, group in groupby(rows, key=lambda row: row.equal):
        run = list(group)
        if equal and len(run) > FOLD:
            hidden = run[FOLD_EDGE:-FOLD_EDGE]
            layers = sum(isinstance(row.broken, Layer) for row in hidden)
            run = [*run[:FOLD_EDGE], Row(Fold(layers), Fold(layers)), *run[-FOLD_EDGE:]]
        visible += run
    return visible
