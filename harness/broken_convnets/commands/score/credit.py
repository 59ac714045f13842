"""What a tool deserves credit for on one program; every score is made of these."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.protocol import Need, Severity, Status
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.protocol import Finding
    from broken_convnets.commands.score.result import Result

BEFORE_THE_TOOL = {Stage.IMPORT, Stage.BUILD, Stage.INPUTS}
RUNS_NOTHING_ITSELF = {Need.SOURCE, Need.ANNOTATIONS, Need.TRACEBACK, Need.RUN}


class Credit(StrEnum):
    """One thing that a tool got right of a program."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> Self:
        """Make a member whose value is `name`, and whose meaning completes "it now ..."."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    ANSWERS = ("answers", "gives a diagnosis")
    FLAGS = ("flags", "flags it")
    PLACES = ("places", "points at the line to change")
    SYMPTOM = ("symptom", "points at the line that raises")
    MODULE = ("module", "names the layer")
    NAMES = ("names", "names the kind of mistake")
    REPAIRS = ("repairs", "gives a fix that obeys the laws")
    QUIET = ("quiet", "is quiet about it")


def credits_of(result: Result, needs: Iterable[Need]) -> set[Credit]:
    """Return what a tool with these needs got right of one program."""
    program, diagnosis = result.program, result.diagnosis
    found: set[Credit] = set()
    if diagnosis.status in {Status.FLAGGED, Status.CLEAN}:
        found.add(Credit.ANSWERS)
    if program.side is not Side.BROKEN:
        return found | ({Credit.QUIET} if diagnosis.status is Status.CLEAN else set())
    raised = alarms(result, needs)
    if not raised:
        return found
    found.add(Credit.FLAGS)
    truth = program.truth
    if truth is None:
        return found
    line, module = first_line(raised), first_module(raised)
    checks = {
        Credit.PLACES: line in truth.cause,
        Credit.SYMPTOM: line in truth.symptom,
        Credit.MODULE: module is not None and module == truth.layer,
        Credit.NAMES: raised[0].kind in truth.kinds,
        Credit.REPAIRS: result.repaired is True,
    }
    return found | {credit for credit, holds in checks.items() if holds}


def alarms(result: Result, needs: Iterable[Need]) -> tuple[Finding, ...]:
    """Return the findings with which a tool raised an alarm that is its own, best first.

    Warnings are no alarm.
    """
    if result.diagnosis.status is not Status.FLAGGED or never_saw(result, needs):
        return ()
    return tuple(one for one in result.diagnosis.findings if one.severity is Severity.ERROR)


def never_saw(result: Result, needs: Iterable[Need]) -> bool:
    """Return whether a program fails before a tool that works on the built network could see it.

    Then there is nothing that the tool found.
    """
    truth = result.program.truth
    failed = truth is not None and truth.stage in BEFORE_THE_TOOL
    return failed and not RUNS_NOTHING_ITSELF & set(needs)


def first_line(alarms: Iterable[Finding]) -> int | None:
    """Return the first line that is pointed at."""
    return next((one.location.line for one in alarms if one.location), None)


def first_module(alarms: Iterable[Finding]) -> str | None:
    """Return the first module that is named."""
    return next((one.module for one in alarms if one.module), None)
