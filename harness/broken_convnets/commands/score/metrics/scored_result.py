"""One result of a tool, prepared for the metrics: its alarms, its credits, and what it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.score.metrics import credit
from broken_convnets.commands.score.metrics.credit import Credit
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.protocol.messages import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.programs.edit import Edit
    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.programs.tool_result import ToolResult
    from broken_convnets.commands.score.protocol.messages import Finding, Need

TOPIC_POINTS = 0.5  # for the right topic with the wrong kind


@dataclass(frozen=True)
class ScoredResult:
    """A tool's answer for one program.

    `alarms` are its findings of severity error, best first. It is empty if the tool did not flag
    the program or could not have examined it (`unreachable`).
    """

    program: CorpusProgram
    status: Status
    alarms: tuple[Finding, ...]
    credit: frozenset[Credit]
    warned: bool  # a finding of severity warning or error
    unreachable: bool  # the program fails before the tool can examine it
    offers_fix: bool
    edit: Edit | None = None

    @property
    def counted(self) -> bool:
        """Whether the program enters the rates: the tool did not decline it."""
        return self.status is not Status.UNSUPPORTED

    @property
    def failed(self) -> bool:
        """Whether the tool failed on the program; the rates count that as not flagged."""
        return self.status is Status.ERROR

    @property
    def flagged(self) -> bool:
        """Whether the tool raised an alarm, correct or not."""
        return bool(self.alarms)

    @property
    def line(self) -> int | None:
        """The line of the first alarm that has a location."""
        return credit.first_line(self.alarms)

    @property
    def points(self) -> float:
        """The points for the kind of the first alarm: 1 if correct, half for the topic alone."""
        if Credit.CLASSIFIED in self.credit:
            return 1.0
        truth = self.program.truth
        if truth is None or not self.alarms:
            return 0.0
        return TOPIC_POINTS if topic(self.alarms[0].kind) in map(topic, truth.kinds) else 0.0

    @property
    def verdict(self) -> tuple[Status, bool, bool, str]:
        """What should be equal for a program and its variants."""
        kind = self.alarms[0].kind if self.alarms else ""
        return self.status, self.flagged, Credit.LOCATED in self.credit, kind


def topic(name: str) -> str:
    """Return the topic of a kind or an entry: the part before the slash."""
    return name.partition("/")[0]


def score_results(
    results: Iterable[ToolResult], needs: Iterable[Need]
) -> dict[tuple[str, str, int], ScoredResult]:
    """Return the scored results by program. Raises ValueError for two results of one program."""
    scored: dict[tuple[str, str, int], ScoredResult] = {}
    tool_needs = frozenset(needs)
    for result in results:
        key = result.program.key
        if key in scored:
            message = f"two results for {program_label(result.program)}"
            raise ValueError(message)
        scored[key] = _scored(result, tool_needs)
    return scored


def _scored(result: ToolResult, needs: frozenset[Need]) -> ScoredResult:
    unreachable = credit.fails_before_tool(result, needs)
    answered = result.diagnosis.status in {Status.FLAGGED, Status.CLEAN} and not unreachable
    above_note = any(one.severity is not Severity.NOTE for one in result.diagnosis.findings)
    return ScoredResult(
        program=result.program,
        status=result.diagnosis.status,
        alarms=credit.alarms(result, needs),
        credit=frozenset(credit.credits_of(result, needs)),
        warned=answered and above_note,
        unreachable=unreachable,
        offers_fix=result.fix_works is not None and not unreachable,
        edit=None if unreachable else result.edit,
    )


def program_label(program: CorpusProgram) -> str:
    """Return a readable name of a program."""
    role = "" if program.role is ProgramRole.BROKEN else f" ({program.role})"
    return f"{program.entry}{role}" + (f", variant {program.variant}" if program.variant else "")
