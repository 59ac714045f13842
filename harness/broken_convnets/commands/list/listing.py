"""The rows of `list`: id, level, stage and title of each entry, or its symptoms."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from broken_convnets.corpus.entries import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.corpus.guides import Guide

HEADINGS = ("id", "level", "stage", "title")
GAP = "  "  # between columns
TITLE_WIDTH = 12  # at least, even in a narrow terminal
INVALID = "invalid: see `broken-convnets lint`"


def listing(
    corpus: Corpus, ids: list[str], width: int, *, guides: dict[str, Guide] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield a row per entry and guide, as pairs of text and style; titles wrap at `width`.

    A guide has neither a level nor a stage.
    """
    rows = [
        (name, "", "guide", guides[name].spec.title)
        if guides and name in guides
        else _row(corpus, name)
        for name in ids
    ]
    yield from _table([HEADINGS, *rows], width)


def listing_with_symptoms(corpus: Corpus, ids: list[str], width: int) -> Iterator[tuple[str, str]]:
    """Yield the same rows with a column for the symptoms of each case, one per line."""
    rows: list[tuple[str, ...]] = [(HEADINGS[0], "symptoms", HEADINGS[-1])]
    for name in ids:
        entry = corpus.entries[name]
        symptoms = entry.spec.symptoms if isinstance(entry, Case) else []
        rows += [(name, symptoms[0], entry.spec.title)]
        rows += [("", symptom, "") for symptom in symptoms[1:]]
    yield from _table(rows, width)


def _table(rows: list[tuple[str, ...]], width: int) -> Iterator[tuple[str, str]]:
    """Yield rows of equal length, the first of them the headings; the last column wraps.

    rich.table.Table prints the same rows, but needs thirty times as long for two hundred of them.
    """
    *widths, longest = (max(map(len, column)) for column in zip(*rows, strict=True))
    rest = width - sum(widths) - len(GAP) * len(widths)
    last = min(longest, max(rest, TITLE_WIDTH))
    for place, row in enumerate(rows):
        style = "" if place else "bold"
        lead = "".join(f"{cell:{size}}{GAP}" for cell, size in zip(row[:-1], widths, strict=True))
        for part in textwrap.wrap(row[-1], last, break_on_hyphens=False) or [""]:
            yield lead if part else lead.rstrip(), style
            yield f"{part}\n", "red" if row[-1] is INVALID else style
            lead = " " * len(lead)


def _row(corpus: Corpus, name: str) -> tuple[str, ...]:
    entry = corpus.entries.get(name)
    if entry is None:
        return name, "", "", INVALID
    stage = entry.spec.broken.stage if isinstance(entry, Case) else "control"
    return name, str(entry.spec.level), stage, entry.spec.title
