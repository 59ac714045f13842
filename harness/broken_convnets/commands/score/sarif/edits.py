"""Make the replacements that SARIF fixes are made of, and write them; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.patch import LIMIT
from broken_convnets.commands.score.sarif.log import Content
from broken_convnets.corpus.diff import hunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.sarif.log import Region, Replacement


class EditError(Exception):
    """Replacements that a text does not allow."""


def edited(source: str, replacements: Sequence[Replacement]) -> str:
    """Return `source` with every replacement made; raises EditError where one is not possible."""
    spans = sorted(
        (*_span(source, item.deleted_region), (item.inserted_content or Content()).text)
        for item in replacements
    )
    if sum(len(text) for _, _, text in spans) > LIMIT:
        message = f"more than {LIMIT >> 10} KiB of new text"
        raise EditError(message)
    parts, at = [], 0
    for start, stop, text in spans:
        if start < at:
            message = "two replacements overlap"
            raise EditError(message)
        parts += [source[at:start], text]
        at = stop
    return "".join([*parts, source[at:]])


def _span(source: str, region: Region) -> tuple[int, int]:
    """Return where a region begins and ends, in characters from 0."""
    if region.start_line is None:
        start = -1 if region.char_offset is None else region.char_offset
        stop = start + region.char_length
    else:
        end_line = region.end_line or region.start_line
        start = _offset(source, region.start_line, region.start_column or 1)
        stop = _offset(source, end_line, region.end_column)
    if not 0 <= start <= stop <= len(source):
        message = "a region that is not in the text"
        raise EditError(message)
    return start, stop


def _offset(source: str, line: int, column: int | None) -> int:
    """Return the offset of a place in a text; without a column, of the end of the line."""
    lines = source.split("\n")
    if line > len(lines):
        return len(source) + 1
    size = len(lines[line - 1])
    if column is not None and column - 1 > size:
        return len(source) + 1
    return sum(len(text) + 1 for text in lines[: line - 1]) + (
        size if column is None else column - 1
    )


def replacements(old: str, new: str) -> list[dict[str, Any]]:
    """Return what makes `new` of `old`, whole lines at a time, as a log has it."""
    lines = new.splitlines(keepends=True)
    return [
        {
            "deletedRegion": {
                "startLine": hunk.broken_start + 1,
                "startColumn": 1,
                "endLine": hunk.broken_stop + 1,
                "endColumn": 1,
            },
            "insertedContent": {"text": "".join(lines[hunk.fixed_start : hunk.fixed_stop])},
        }
        for hunk in hunks(old, new)
    ]
