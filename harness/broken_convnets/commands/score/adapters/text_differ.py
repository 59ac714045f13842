"""A text differ: the shorter of two similar programs is broken, and the longer one is its fix.

It knows nothing of networks. It scores as a coin does unless it receives both programs of a pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._similar import most_similar, phrases
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Status
from broken_convnets.commands.score.protocol.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol.messages import Request


class TextDiffer(Tool):
    """Compares the programs of a hand-out with each other."""

    batch = 1000

    def version(self) -> str:
        """Return the version of these rules."""
        return "1"

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Compare each program with the most similar one of the others; alone, it is clean."""
        if len(requests) == 1:
            return [Diagnosis(Status.CLEAN)]
        texts = [phrases(request.source) for request in requests]
        found = []
        for at, request in enumerate(requests):
            nearest = most_similar(texts[at], [*texts[:at], *texts[at + 1 :]])
            twin = requests[nearest if nearest < at else nearest + 1].source
            found.append(_compared(request.source, twin))
        return found


def _compared(source: str, twin: str) -> Diagnosis:
    fix = unified_diff(source, twin, "net.py")
    if len(source) >= len(twin) or not fix:
        return Diagnosis(Status.CLEAN)
    return Diagnosis(Status.FLAGGED, [Finding("shorter than a similar program", fix=fix)])


tool = TextDiffer
