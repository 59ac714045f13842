"""What a tool deserves credit for on one program: what a regression is a loss of."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from .answers import Answer


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


def credits_of(answer: Answer) -> set[Credit]:
    """Return what a tool got right of one program."""
    truth = answer.program.truth
    answered = answer.counted and not answer.failed
    checks = {Credit.ANSWERS: answered}
    if truth is None:
        checks[Credit.QUIET] = answered and not answer.flagged
    else:
        checks |= {
            Credit.FLAGS: answer.flagged,
            Credit.PLACES: answer.at_cause,
            Credit.SYMPTOM: answer.line in truth.symptom,
            Credit.MODULE: answer.module is not None and answer.module == truth.layer,
            Credit.NAMES: answer.points == 1,
            Credit.REPAIRS: answer.repaired is True,
        }
    return {credit for credit, holds in checks.items() if holds}
