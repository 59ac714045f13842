"""The `explain` command of this project, applied to the traceback that Python prints.

It ranks the messages that the corpus recorded, so its score on the original programs is not
evidence of its quality, and its score on variants is weak evidence. It detects nothing itself:
it flags every program that has a traceback.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Need, Status
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.explain.index import Index
    from broken_convnets.commands.explain.reading import ErrorFacts
    from broken_convnets.commands.score.protocol.messages import Request


class Explain(Tool):
    """`explain` on the traceback."""

    needs = frozenset({Need.TRACEBACK})

    def version(self) -> str:
        """Return the version of this package."""
        return own_version()

    def prepare(self) -> None:
        """Load the index of the corpus's messages."""
        known()

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the best match, or a finding without a kind if no case is similar."""
        if not request.traceback:
            return Diagnosis(Status.CLEAN)
        found = best(request.traceback)
        nothing = Finding("no similar case found for this traceback")
        return Diagnosis(Status.FLAGGED, [found or nothing])


def best(error: str | ErrorFacts) -> Finding | None:
    """Return the case that is most similar to an error, as a finding without a location."""
    from broken_convnets.commands.explain import matching  # noqa: PLC0415  (only when the tool runs)
    from broken_convnets.corpus.entries import case_of  # noqa: PLC0415  (only when the tool runs)
    from broken_convnets.corpus.guides import guide_of  # noqa: PLC0415  (only when the tool runs)

    root, index = known()
    matches = matching.matches(root, index, error, top=1)
    if not matches:
        return None
    guide = guide_of(root, matches[0].id)
    spec = guide.spec if guide else case_of(root, matches[0].id).spec
    kind = spec.covers[0]
    return Finding(matches[0].title, kind=kind, rule=matches[0].id)


@functools.cache
def known() -> tuple[Path, Index]:
    """Return the folder of the corpus and the index of its messages."""
    from broken_convnets.commands.explain import index_file  # noqa: PLC0415  (only when the tool runs)
    from broken_convnets.corpus.entries import default_root  # noqa: PLC0415  (only when the tool runs)

    return default_root(), index_file.read(default_root())


def own_version() -> str:
    """Return the name and version of this package."""
    return f"broken-convnets {__version__}"


tool = Explain
