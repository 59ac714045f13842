"""Comparison with the baseline: what only the tool gets right, and what only a traceback does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics.credit import Credit
from broken_convnets.commands.score.metrics.detection import counted
from broken_convnets.commands.score.metrics.scored_result import program_label
from broken_convnets.commands.score.programs.program import ProgramRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.metrics.scored_result import ScoredResult


class Exclusive(Struct, frozen=True):
    """Broken programs that only the tool gets right (`gained`) or only the baseline (`lost`)."""

    gained: list[str]
    lost: list[str]

    @property
    def net(self) -> int:
        """How many more programs the tool gets right."""
        return len(self.gained) - len(self.lost)


class VsBaseline(Struct, frozen=True):
    """A tool compared with the baseline on the `programs` broken ones that neither declined."""

    programs: int
    detected: Exclusive
    located: Exclusive
    classified: Exclusive


def compare(tool: Sequence[ScoredResult], baseline: Sequence[ScoredResult]) -> VsBaseline:
    """Compare a tool with the baseline, program by program."""
    of_baseline = {one.program.key: one for one in counted(baseline, ProgramRole.BROKEN)}
    both = [
        (result, of_baseline[result.program.key])
        for result in counted(tool, ProgramRole.BROKEN)
        if result.program.key in of_baseline
    ]
    return VsBaseline(
        len(both),
        detected=_exclusive(both, Credit.DETECTED),
        located=_exclusive(both, Credit.LOCATED),
        classified=_exclusive(both, Credit.CLASSIFIED),
    )


def _exclusive(both: Sequence[tuple[ScoredResult, ScoredResult]], credit: Credit) -> Exclusive:
    def only(one: int, other: int) -> list[str]:
        return sorted(
            program_label(pair[one].program)
            for pair in both
            if credit in pair[one].credit - pair[other].credit
        )

    return Exclusive(gained=only(0, 1), lost=only(1, 0))
