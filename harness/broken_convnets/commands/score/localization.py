"""Whether a tool says where the mistake is, and what it is, as well as that there is one."""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.answers import HALF
from broken_convnets.commands.score.credit import Credit
from broken_convnets.commands.score.intervals import Rate, rate
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.rates import of_side, twins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.answers import Answer
    from broken_convnets.commands.score.protocol import Finding

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?")

Signature = tuple[str, str, str]


class Twins(Struct, frozen=True):
    """Pairs whose broken side is flagged, of all pairs."""

    told_apart: Rate  # for something that it does not say of the fixed side
    fixed_quiet: Rate  # and the fixed side is not flagged at all


class Place(Struct, frozen=True):
    """Broken programs whose place is right, of all that have such a place."""

    cause: Rate  # the line to change
    symptom: Rate  # the line that raises
    module: Rate  # the layer that raises
    distance: float | None  # median, in lines from the first one named to the nearest cause


class Cause(Struct, frozen=True):
    """Broken programs whose kind of mistake is right, of all."""

    points: Rate  # 1 for the kind, half for its topic
    exact: Rate
    topic: Rate  # or better


class Repair(Struct, frozen=True):
    """Broken programs that the tool mends, of all, and how many fixes it offered for them."""

    works: Rate
    offered: int


def discrimination(answers: Sequence[Answer]) -> Twins:
    """Return how many pairs are told apart.

    A fixed side over which the tool broke down tells nothing apart.
    """
    pairs = [
        (broken, fixed, broken.flagged and not fixed.failed) for broken, fixed in twins(answers)
    ]
    return Twins(
        rate(hit and bool(said(broken) - said(fixed)) for broken, fixed, hit in pairs),
        rate(hit and not fixed.flagged for _, fixed, hit in pairs),
    )


def said(answer: Answer) -> frozenset[Signature]:
    """Return what the alarms about a program say, without what differs between twins."""
    return frozenset(_signature(found, answer.program.id) for found in answer.alarms)


def _signature(found: Finding, program: str) -> Signature:
    return found.rule, found.kind, normalised(found.message, program)


def normalised(message: str, program: str = "") -> str:
    """Return a message without numbers, addresses, files, colours, case and spacing.

    `program` is the id of the one it is about. Words are cut one by one, so that no message
    takes long.
    """
    plain = _COLOUR.sub("", message)
    plain = plain.replace(program, "") if program else plain
    words = (
        "FILE" if ".py" in word or word.startswith("/") else word.lower() for word in plain.split()
    )
    return _NUMBER.sub("#", " ".join(words))


def place(answers: Sequence[Answer]) -> Place:
    """Return how often the first line and the first module that a tool names are right."""
    known = [
        (answer, truth)
        for answer in of_side(answers, Side.BROKEN)
        if (truth := answer.program.truth)
    ]
    far = [
        min(abs(answer.line - line) for line in truth.cause)
        for answer, truth in known
        if answer.line and truth.cause
    ]
    return Place(
        cause=rate(Credit.PLACES in answer.credit for answer, truth in known if truth.cause),
        symptom=rate(Credit.SYMPTOM in answer.credit for answer, truth in known if truth.symptom),
        module=rate(Credit.MODULE in answer.credit for answer, truth in known if truth.layer),
        distance=median(far) if far else None,
    )


def cause(answers: Sequence[Answer]) -> Cause:
    """Return how often the kind of a tool's best finding is right; its wording is not read."""
    points = [answer.points for answer in of_side(answers, Side.BROKEN)]
    return Cause(
        rate(points),
        rate(point == 1 for point in points),
        rate(point >= HALF for point in points),
    )


def repair(answers: Sequence[Answer]) -> Repair:
    """Return how often the program obeys the laws once the tool's fix is applied."""
    broken = of_side(answers, Side.BROKEN)
    offered = sum(answer.offers_fix for answer in broken)
    return Repair(rate(Credit.REPAIRS in answer.credit for answer in broken), offered)
