"""The `explain` of this project, told nothing but the traceback that Python prints.

It works from the messages that the corpus itself recorded, so what it scores on the corpus'
own programs is no evidence of anything; on variants of them it is little. It is held to the
rules of all others, and detects nothing: a traceback is there, or it is not.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol import Diagnosis, Finding, Need, Status
from broken_convnets.commands.score.tool import Tool

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.explain.index import Index
    from broken_convnets.commands.explain.reading import ErrorFacts
    from broken_convnets.commands.score.protocol import Request


class Explain(Tool):
    """`harness.explain` on the traceback."""

    needs = frozenset({Need.TRACEBACK})

    def version(self) -> str:
        """Return the version of this package."""
        return own_version()

    def prepare(self) -> None:
        """Read the corpus and the index of its messages."""
        known()

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the best match; where nothing is like it, that there is a traceback."""
        if not request.traceback:
            return Diagnosis(Status.CLEAN)
        found = best(request.traceback)
        nothing = Finding("nothing in the corpus is like this traceback")
        return Diagnosis(Status.FLAGGED, [found or nothing])


def best(error: str | ErrorFacts) -> Finding | None:
    """Return the case that is most similar to an error, as a finding without a location."""
    from broken_convnets.commands.explain import matching  # noqa: PLC0415  (likewise)
    from broken_convnets.corpus.entries import case_of  # noqa: PLC0415  (likewise)

    root, index = known()
    matches = matching.matches(root, index, error, top=1)
    if not matches:
        return None
    kind = case_of(root, matches[0].id).spec.covers[0]
    return Finding(brief(f"{matches[0].title}: {matches[0].why}"), kind=kind, rule=matches[0].id)


@functools.cache
def known() -> tuple[Path, Index]:
    """Return the folder of the corpus and the index of its messages."""
    from broken_convnets.commands.explain import index  # noqa: PLC0415  (likewise)
    from broken_convnets.corpus.entries import default_root  # noqa: PLC0415  (likewise)

    return default_root(), index.read(default_root())


def own_version() -> str:
    """Return what this package is to be called, installed or not."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  (likewise)

    try:
        return f"broken-convnets {version('broken-convnets')}"
    except PackageNotFoundError:
        return "broken-convnets, not installed"


tool = Explain
