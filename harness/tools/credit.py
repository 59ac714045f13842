"""What a tool deserves credit for on one program; every score is made of these."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

from ..vocabulary import Stage
from .programs import Side
from .protocol import Need, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .protocol import Finding
    from .result import Result

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
    if not flagged(result, needs):
        return found
    found.add(Credit.FLAGS)
    truth, first = program.truth, first_alarm(result)
    if truth is None or first is None:
        return found
    line = first.location.line if first.location else 0
    checks = {
        Credit.PLACES: line in truth.cause,
        Credit.SYMPTOM: line in truth.symptom,
        Credit.MODULE: bool(first.module) and first.module == truth.layer,
        Credit.NAMES: first.kind in truth.kinds,
        Credit.REPAIRS: result.repaired is True,
    }
    return found | {credit for credit, holds in checks.items() if holds}


def flagged(result: Result, needs: Iterable[Need]) -> bool:
    """Return whether a tool raised an alarm that is its own.

    Where a program fails before a tool that works on the built network could see it, there
    is nothing that the tool found.
    """
    truth = result.program.truth
    if truth and truth.stage in BEFORE_THE_TOOL and not RUNS_NOTHING_ITSELF & set(needs):
        return False
    return result.diagnosis.status is Status.FLAGGED and first_alarm(result) is not None


def first_alarm(result: Result) -> Finding | None:
    """Return the best finding of severity error; warnings are no alarm."""
    alarms = (f for f in result.diagnosis.findings if f.severity is Severity.ERROR)
    return next(alarms, None)
