"""Keep `results/tools/README.md` in step with the books beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score import baseline, leaderboard
from broken_convnets.commands.score.programs import is_here, programs
from broken_convnets.commands.score.scoring import Score, score
from broken_convnets.util import files

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.score.baseline import ToolBook
    from broken_convnets.commands.score.result import Result
    from broken_convnets.corpus.entries import Corpus

BASELINE = "traceback"


def write(corpus: Corpus) -> Path:
    """Write the page anew, and return where it is."""
    path = corpus.root / leaderboard.PAGE
    files.write(path, text(corpus))
    return path


def text(corpus: Corpus) -> str:
    """Return the page that the books of a corpus make; raises RecordError for a bad book."""
    folder = (corpus.root / leaderboard.PAGE).parent
    books = [found for path in sorted(folder.glob("*.toml")) if (found := baseline.read(path))]
    base = next((one for one in books if one.tool == BASELINE), None)
    return leaderboard.page([_score(corpus, one, base) for one in books], BASELINE)


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
    return baseline.results_of(one, programs(here, 0, one.torch))
