"""Keep `results/tools/README.md` in step with the books beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .. import files
from . import book, standings
from .programs import is_here, programs
from .scoring import Score, score

if TYPE_CHECKING:
    from pathlib import Path

    from ..corpus.entries import Corpus
    from .book import ToolBook
    from .result import Result

BASELINE = "traceback"


def write(corpus: Corpus) -> Path:
    """Write the page anew, and return where it is."""
    path = corpus.root / standings.PAGE
    files.write(path, text(corpus))
    return path


def text(corpus: Corpus) -> str:
    """Return the page that the books of a corpus make; raises RecordError for a bad book."""
    folder = (corpus.root / standings.PAGE).parent
    books = [found for path in sorted(folder.glob("*.toml")) if (found := book.read(path))]
    base = next((one for one in books if one.tool == BASELINE), None)
    return standings.page([_score(corpus, one, base) for one in books], BASELINE)


def _score(corpus: Corpus, one: ToolBook, base: ToolBook | None) -> Score:
    lifted = base and one.tool != BASELINE
    found = score(
        _results(corpus, one),
        _results(corpus, base) if base and lifted else None,
        needs=frozenset(one.needs),
        tool=one.tool,
        version=one.version,
    )
    held = one.variants.held if one.variants else None
    return msgspec.structs.replace(found, robustness=held)


def _results(corpus: Corpus, one: ToolBook) -> list[Result]:
    here = [(0, entry) for entry in corpus.entries.values() if is_here(entry, one.torch)]
    return book.results_of(one, programs(here, 0, one.torch))
