"""One answer of a tool as scores take it: what counts, what it names, what it deserves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.score import credit
from broken_convnets.commands.score.credit import Credit
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.protocol import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.programs import Program
    from broken_convnets.commands.score.protocol import Finding, Need
    from broken_convnets.commands.score.result import Result

HALF = 0.5  # of a point, for the right topic and the wrong kind


@dataclass(frozen=True)
class Answer:
    """What a tool said of one program.

    `alarms` are its findings of severity error, best first. There are none where it did not
    flag the program, or earns no credit for that (`void`).
    """

    program: Program
    status: Status
    alarms: tuple[Finding, ...]
    credit: frozenset[Credit]
    warned: bool  # or worse
    void: bool
    offers_fix: bool

    @property
    def counted(self) -> bool:
        """Whether the program is part of the sample: the tool did not decline it."""
        return self.status is not Status.UNSUPPORTED

    @property
    def failed(self) -> bool:
        """Whether the tool broke down over it; that counts as having flagged nothing."""
        return self.status is Status.ERROR

    @property
    def flagged(self) -> bool:
        """Whether it raised the alarm, rightly or not."""
        return bool(self.alarms)

    @property
    def line(self) -> int | None:
        """The first line that it points at."""
        return credit.first_line(self.alarms)

    @property
    def points(self) -> float:
        """What its best finding's kind is worth: 1 if right, half of it for the topic alone."""
        if Credit.NAMES in self.credit:
            return 1.0
        truth = self.program.truth
        if truth is None or not self.alarms:
            return 0.0
        return HALF if topic(self.alarms[0].kind) in map(topic, truth.kinds) else 0.0

    @property
    def verdict(self) -> tuple[Status, bool, bool, str]:
        """What must stay the same where only the wording of a program changes."""
        kind = self.alarms[0].kind if self.alarms else ""
        return self.status, self.flagged, Credit.PLACES in self.credit, kind


def topic(name: str) -> str:
    """Return the topic of a kind or an entry: what is before the slash."""
    return name.partition("/")[0]


def read(results: Iterable[Result], needs: Iterable[Need]) -> dict[tuple[str, str, int], Answer]:
    """Return the answers by their program's key; raises ValueError for two about one program."""
    answers: dict[tuple[str, str, int], Answer] = {}
    wants = frozenset(needs)
    for result in results:
        key = result.program.key
        if key in answers:
            message = f"two results for {name(result.program)}"
            raise ValueError(message)
        answers[key] = _read(result, wants)
    return answers


def _read(result: Result, needs: frozenset[Need]) -> Answer:
    void = credit.never_saw(result, needs)
    heard = result.diagnosis.status in {Status.FLAGGED, Status.CLEAN} and not void
    return Answer(
        program=result.program,
        status=result.diagnosis.status,
        alarms=credit.alarms(result, needs),
        credit=frozenset(credit.credits_of(result, needs)),
        warned=heard
        and any(one.severity is not Severity.NOTE for one in result.diagnosis.findings),
        void=void,
        offers_fix=result.repaired is not None and not void,
    )


def name(program: Program) -> str:
    """Return what a program is called among people."""
    side = "" if program.side is Side.BROKEN else f" ({program.side})"
    return f"{program.entry}{side}" + (f", variant {program.variant}" if program.variant else "")
