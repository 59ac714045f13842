"""What one answer of a tool is worth, before any counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..vocabulary import Stage
from .programs import Side
from .protocol import Need, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .programs import Program, Truth
    from .protocol import Finding
    from .result import Result

BEFORE_THE_NETWORK = frozenset({Stage.IMPORT, Stage.BUILD, Stage.INPUTS})
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
    warned: bool  # or worse
    void: bool
    repaired: bool | None

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
        """Whether it raised the alarm."""
        return bool(self.alarms)

    @property
    def line(self) -> int | None:
        """The first line that it names."""
        return next((found.location.line for found in self.alarms if found.location), None)

    @property
    def module(self) -> str | None:
        """The first module that it names."""
        return next((found.module for found in self.alarms if found.module), None)

    @property
    def kind(self) -> str | None:
        """The kind of its best finding."""
        return self.alarms[0].kind if self.alarms else None

    @property
    def at_cause(self) -> bool:
        """Whether the first line that it names is one to change."""
        return self.program.truth is not None and self.line in self.program.truth.cause

    @property
    def points(self) -> float:
        """What the kind is worth: 1 if it is the program's, half of it for the topic alone."""
        truth = self.program.truth
        if truth is None or self.kind is None:
            return 0.0
        if self.kind in truth.kinds:
            return 1.0
        return HALF if topic(self.kind) in map(topic, truth.kinds) else 0.0

    @property
    def verdict(self) -> tuple[Status, bool, bool, str | None]:
        """What must stay the same where only the wording of a program changes."""
        return self.status, self.flagged, self.at_cause, self.kind


def topic(name: str) -> str:
    """Return the topic of a kind or an entry: what is before the slash."""
    return name.partition("/")[0]


def read(results: Iterable[Result], needs: frozenset[Need]) -> dict[tuple[str, str, int], Answer]:
    """Return the answers by their program's key; raises ValueError for two about one program."""
    answers: dict[tuple[str, str, int], Answer] = {}
    for result in results:
        key = result.program.key
        if key in answers:
            message = f"two results for {name(result.program)}"
            raise ValueError(message)
        answers[key] = _read(result, needs)
    return answers


def _read(result: Result, needs: frozenset[Need]) -> Answer:
    status, found = result.diagnosis.status, result.diagnosis.findings
    void = never_saw(result.program.truth, needs)
    heard = status in {Status.FLAGGED, Status.CLEAN} and not void
    flagged = status is Status.FLAGGED and not void
    return Answer(
        program=result.program,
        status=status,
        alarms=tuple(one for one in found if flagged and one.severity is Severity.ERROR),
        warned=heard and any(one.severity is not Severity.NOTE for one in found),
        void=void,
        repaired=None if void else result.repaired,
    )


def never_saw(truth: Truth | None, needs: frozenset[Need]) -> bool:
    """Return whether a program fails before a tool that works from nothing but its network.

    There is no network then, and whoever asks the tool sees the failure without it.
    """
    return needs == {Need.MODEL} and truth is not None and truth.stage in BEFORE_THE_NETWORK


def name(program: Program) -> str:
    """Return what a program is called among people."""
    side = "" if program.side is Side.BROKEN else f" ({program.side})"
    return f"{program.entry}{side}" + (f", variant {program.variant}" if program.variant else "")
