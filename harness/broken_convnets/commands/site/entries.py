"""All that a page says about one entry, gathered from the corpus and its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.show.page import symptom_line
from broken_convnets.corpus.diff import cause_lines
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.wording import split, wording
from broken_convnets.vocabulary import Law, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.verdicts.records import Book, Record

LEVELS = {1: "first week", 2: "first project", 3: "surprises experts"}


@dataclass(frozen=True)
class Said:
    """A message of a case, and the releases that give it; neither class nor text if silent."""

    raises: str
    message: str
    releases: list[str]


@dataclass(frozen=True)
class Recorded:
    """What the newest release that knows an entry did."""

    release: str
    record: Record


def release_name(book: Book) -> str:
    """Return how a book's release is called: `2.14.1`, with the device unless that is the CPU."""
    return book.torch if book.device == "cpu" else f"{book.torch}, {book.device}"


def newest(books: list[Book], name: str) -> Recorded | None:
    """Return an entry's newest record; the books come newest first."""
    found = ((book, book.entries[name]) for book in books if name in book.entries)
    return next((Recorded(release_name(book), record) for book, record in found), None)


def said(case: Case, books: list[Book]) -> list[Said]:
    """Return a case's messages, the newest release's first, equal ones together.

    Where nothing was recorded, what the case declares stands in.
    """
    releases: dict[tuple[str, str], list[str]] = {}
    for book in books:
        record = book.entries.get(case.id)
        side = record.broken if record and record.verdict is not Verdict.NOT_HERE else None
        if side is not None and side.raises:
            releases.setdefault((side.raises, side.message), []).append(release_name(book))
    if not releases and case.spec.broken.raises:
        releases[case.spec.broken.raises, case.spec.broken.message or ""] = []
    return [Said(raises, says, names) for (raises, says), names in releases.items()]


def elsewhere(name: str, books: list[Book]) -> dict[str, str]:
    """Return where an entry is not what its page says, by release, in words."""
    records = {release_name(book): book.entries.get(name) for book in books}
    usual = {Verdict.REPRODUCED, Verdict.WORKS}
    return {
        release: _elsewhere(record)
        for release, record in records.items()
        if record is not None and record.verdict not in usual
    }


def _elsewhere(record: Record) -> str:
    if record.verdict is not Verdict.NOT_HERE:
        return record.verdict.value.replace("_", " ")
    if record.fixed is not None and record.fixed.raises:
        what = "cannot be shown" if record.broken else "does not work"
        return f"{what} there: {record.fixed.raises}: {record.fixed.message.strip()}"
    return "does not fail there"


def distance(case: Case) -> int | None:
    """Return how many lines the mistake is above the line that raises; None where it is silent.

    Negative where it is below.
    """
    symptom = symptom_line(case)
    if symptom is None:
        return None
    return min((symptom - cause for cause in cause_lines(case.broken, case.fixed)), key=abs)


def laws(names: Iterable[str]) -> dict[str, str]:
    """Return laws with their promises; one that is not known any more promises nothing."""
    known = {law.value: law.description for law in Law}
    return {name: known.get(name, "") for name in names}


def is_silent(case: Case) -> bool:
    """Whether nothing is raised."""
    return case.spec.broken.stage is Stage.SILENT


def alike(corpus: Corpus, books: list[Book]) -> dict[str, list[str]]:
    """Return for each case the others that give the same message, or break the same laws."""
    cases = {name: entry for name, entry in corpus.entries.items() if isinstance(entry, Case)}
    marks = {name: _marks(case, books) for name, case in cases.items()}
    holders: dict[tuple[str, str], list[str]] = {}
    for name, own in marks.items():
        for mark in own:
            holders.setdefault(mark, []).append(name)
    return {
        name: sorted({other for mark in own for other in holders[mark]} - {name})
        for name, own in marks.items()
    }


def _marks(case: Case, books: list[Book]) -> set[tuple[str, str]]:
    """Return what other cases must share: wordings without numbers, or the laws broken."""
    if is_silent(case):
        return {("silent", ", ".join(sorted(case.spec.broken.violates)))}
    recorded = {(message.raises, wording(message.message)) for message in said(case, books)}
    seen = (split(one.message) for one in case.spec.other_messages)
    return recorded | {(raises, wording(says)) for raises, says in seen}
