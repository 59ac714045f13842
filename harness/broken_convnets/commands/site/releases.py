"""The page of releases: each entry under each release, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.site.entries import release_name
from broken_convnets.verdicts import matrix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.verdicts.records import Book, Record


def context(books: list[Book], names: Iterable[str]) -> dict[str, Any]:
    """Return the template's variables for `books`, the newest first, and the entries `names`."""
    reference: dict[str, Book] = {}
    for book in books:
        reference.setdefault(book.device, book)
    rows = {name: [_cell(name, book, reference[book.device]) for book in books] for name in names}
    return {
        "books": books,
        "names": [release_name(book) for book in books],
        "declared": [_declared(book) for book in books],
        "differing": {name: cells for name, cells in rows.items() if any(c[1] for c in cells)},
        "rows": rows,
        "not_run": [d for d in matrix.DEVICES if d not in {book.device for book in books}],
    }


def _declared(book: Book) -> tuple[int, int]:
    good = sum(record.verdict.as_declared for record in book.entries.values())
    return good, len(book.entries)


def _cell(name: str, book: Book, newest: Book) -> tuple[str, bool]:
    """Return the table cell of an entry under a release, and whether the entry differs there."""
    record, reference = book.entries.get(name), newest.entries.get(name)
    if record is None:
        return "not run", False
    if book is newest or reference is None:
        return _short(record), False
    differences = matrix.differences(reference, record)
    words = ", ".join(differences).replace("_", " ")
    return words or "same", bool(differences)


def _short(record: Record) -> str:
    side = record.broken
    if side is None:
        return record.verdict.value
    return side.raises or ("silent" if side.violates else record.verdict.value)
