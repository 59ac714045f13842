"""Apply the replacements of a SARIF fix to a text, and compute those between two texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.programs.patch import SIZE_LIMIT
from broken_convnets.commands.score.sarif.log import Content
from broken_convnets.corpus.diff import hunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.sarif.log import Region, Replacement


class EditError(Exception):
    """Replacements that cannot be applied to the text."""


def apply_replacements(source: str, line_replacements: Sequence[Replacement]) -> str:
    """Return `source` with every replacement applied. Raises EditError if one is invalid."""
    spans = sorted(
        (*_span(source, item.deleted_region), (item.inserted_content or Content()).text)
        for item in line_replacements
    )
    if sum(len(text) for _, _, text in spans) > SIZE_LIMIT:
        message = f"more than {SIZE_LIMIT >> 10} KiB of new text"
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
    """Return start and end of a region, as character offsets from 0."""
    if region.start_line is None:
        start = -1 if region.char_offset is None else region.char_offset
        stop = start + region.char_length
    else:
        end_line = region.end_line or region.start_line
        start = _offset(source, region.start_line, region.start_column or 1)
        stop = _offset(source, end_line, region.end_column)
    if not 0 <= start <= stop <= len(source):
        message = "a region is outside of the text"
        raise EditError(message)
    return start, stop


def _offset(source: str, line: int, column: int | None) -> int:
    """Return the character offset of a position; without a column, of the end of the line."""
    lines = source.split("\n")
    if line > len(lines):
        return len(source) + 1
    size = len(lines[line - 1])
    if column is not None and column - 1 > size:
        return len(source) + 1
    return sum(len(text) + 1 for text in lines[: line - 1]) + (
        size if column is None else column - 1
    )


def line_replacements(old: str, new: str) -> list[dict[str, Any]]:
    """Return the SARIF replacements of whole lines that turn `old` into `new`."""
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
