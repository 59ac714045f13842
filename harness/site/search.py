"""Write what the front page searches, as a script: a page from a file may not fetch data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from . import entries

if TYPE_CHECKING:
    from ..records import Book
    from .pages import Library


def script(library: Library) -> str:
    """Return the data of the front page as JavaScript."""
    messages: dict[str, int] = {"": 0}
    releases: dict[str, dict[str, int]] = {}
    for book in library.books:
        releases[entries.release_name(book)] = _failures(book, messages)
    data: dict[str, Any] = {
        "tells": {case.id: case.spec.tell for case in library.cases},
        "messages": list(messages),
        "releases": releases,
    }
    return f"const CORPUS = {msgspec.json.encode(data).decode()};\n"


def _failures(book: Book, messages: dict[str, int]) -> dict[str, int]:
    """Return the number of each case's message under one release; 0 where it is silent."""
    found = {}
    for name, record in book.entries.items():
        side = record.broken
        if side is None or not record.verdict.as_declared or not (side.raises or side.breaks):
            continue
        text = f"{side.raises}: {' '.join(side.says.split())}" if side.raises else ""
        found[name] = messages.setdefault(text, len(messages))
    return found
