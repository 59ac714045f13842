"""A memoriser: the answer to the most similar program of the published corpus.

It shows what memory alone scores. The programs of the corpus are public, so drawing one side of
a pair does not stop it, and variants resemble their originals: only new programs do.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._similar import Phrases, most_similar, phrases
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Status
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.corpus.entries import Case, default_root, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol.messages import Request


@dataclass(frozen=True)
class Known:
    """A published program, and the correct answer for it."""

    source: str
    phrases: Phrases
    answer: Diagnosis


class Memoriser(Tool):
    """Knows every program of the published corpus by heart."""

    batch = 100

    def version(self) -> str:
        """Return the version of these rules."""
        return "1"

    def prepare(self) -> None:
        """Read the corpus."""
        memory()

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the answer to the most similar known program."""
        return recalled(request.source, memory())


def recalled(source: str, known: Sequence[Known]) -> Diagnosis:
    """Return the answer to the most similar of the `known` programs, at least one."""
    return known[most_similar(phrases(source), (one.phrases for one in known))].answer


@functools.cache
def memory() -> list[Known]:
    """Return every program of the bundled corpus."""
    known = []
    for entry in load(default_root()).entries.values():
        if isinstance(entry, Case):
            fix = unified_diff(entry.broken, entry.fixed, "net.py")
            finding = Finding(entry.spec.title, kind=entry.spec.covers[0], fix=fix)
            known.append(_known(entry.broken, Diagnosis(Status.FLAGGED, [finding])))
        healthy = entry.fixed if isinstance(entry, Case) else entry.source
        known.append(_known(healthy, Diagnosis(Status.CLEAN)))
    return known


def _known(source: str, answer: Diagnosis) -> Known:
    return Known(source, phrases(source), answer)


tool = Memoriser
