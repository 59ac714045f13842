"""Localization: whether a tool points at the mistake, names its kind, and offers a working fix."""

from __future__ import annotations

import re
from statistics import mean, median
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics.credit import Credit
from broken_convnets.commands.score.metrics.detection import counted, pairs
from broken_convnets.commands.score.metrics.intervals import Rate, rate
from broken_convnets.commands.score.metrics.scored_result import TOPIC_POINTS, topic
from broken_convnets.commands.score.programs.program import ProgramRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.metrics.scored_result import ScoredResult
    from broken_convnets.commands.score.protocol.messages import Finding

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?")

Signature = tuple[str, str, str]  # rule, kind, normalized message


class PairRates(Struct, frozen=True):
    """Pairs whose broken program is flagged, of all pairs."""

    distinguished: Rate  # with an alarm that the fixed program does not have
    silent_on_fixed: Rate  # and the fixed program is not flagged at all


class LocationRates(Struct, frozen=True):
    """Broken programs with the correct location, of all that have such a location."""

    cause: Rate  # the line to change
    symptom: Rate  # the line that raises
    layer: Rate  # the layer that raises, or one that contains the mistake
    distance: float | None  # median, in lines, from the first line named to the nearest cause


class KindRates(Struct, frozen=True):
    """Broken programs with the correct kind of mistake, of all."""

    points: Rate  # 1 for the kind, half for its topic
    exact: Rate
    topic: Rate  # the topic or the kind
    chance: float  # points per program of the best constant answer


class FixRates(Struct, frozen=True):
    """Broken programs for which the tool's fix works, of all, and the number of fixes offered.

    Precision and size are over the fixes that apply, and None without any.
    """

    working: Rate
    offered: int
    precision: float | None = None  # mean share of changed lines that the true fix also changes
    size_ratio: float | None = None  # median size, in sizes of the true fix


def pair_rates(results: Sequence[ScoredResult]) -> PairRates:
    """Return how many pairs the tool distinguishes.

    A pair counts as not distinguished if the tool failed on the fixed program.
    """
    both = [
        (broken, fixed, broken.flagged and not fixed.failed) for broken, fixed in pairs(results)
    ]
    return PairRates(
        rate(hit and bool(signatures(broken) - signatures(fixed)) for broken, fixed, hit in both),
        rate(hit and not fixed.flagged for _, fixed, hit in both),
    )


def signatures(result: ScoredResult) -> frozenset[Signature]:
    """Return the alarms about a program without the details in which a pair differs anyway."""
    return frozenset(_signature(alarm, result.program.id) for alarm in result.alarms)


def _signature(alarm: Finding, program_id: str) -> Signature:
    return alarm.rule, alarm.kind, normalized(alarm.message, program_id)


def normalized(message: str, program_id: str = "") -> str:
    """Return a message without numbers, addresses, files, ids, colors, case and spacing."""
    plain = _COLOR.sub("", message)
    plain = plain.replace(program_id, "") if program_id else plain
    # Word by word, so that the time is linear in the length of the message.
    words = (
        "FILE" if ".py" in word or word.startswith("/") else word.lower() for word in plain.split()
    )
    return _NUMBER.sub("#", " ".join(words))


def location_rates(results: Sequence[ScoredResult]) -> LocationRates:
    """Return how often the first line and the first module that a tool names are correct."""
    known = [
        (result, truth)
        for result in counted(results, ProgramRole.BROKEN)
        if (truth := result.program.truth)
    ]
    distances = [
        min(abs(result.line - line) for line in truth.cause)
        for result, truth in known
        if result.line and truth.cause
    ]
    return LocationRates(
        cause=rate(Credit.LOCATED in result.credit for result, truth in known if truth.cause),
        symptom=rate(
            Credit.SYMPTOM_LOCATED in result.credit for result, truth in known if truth.symptom
        ),
        layer=rate(Credit.LAYER_NAMED in result.credit for result, truth in known if truth.layer),
        distance=median(distances) if distances else None,
    )


def kind_rates(results: Sequence[ScoredResult]) -> KindRates:
    """Return how often the kind of the first alarm is correct; its message is not read."""
    broken = counted(results, ProgramRole.BROKEN)
    points = [result.points for result in broken]
    truths = [result.program.truth for result in broken]
    return KindRates(
        rate(points),
        rate(point == 1 for point in points),
        rate(point >= TOPIC_POINTS for point in points),
        chance=_best_constant([truth.kinds for truth in truths if truth]),
    )


def _best_constant(kinds: Sequence[tuple[str, ...]]) -> float:
    """Return the mean points of one and the same kind for every program, the best there is."""
    answers = {kind for some in kinds for kind in some}
    topics = [{topic(kind) for kind in some} for some in kinds]

    def points(answer: str) -> float:
        exact = sum(answer in some for some in kinds)
        right_topic = sum(topic(answer) in some for some in topics)
        return exact + TOPIC_POINTS * (right_topic - exact)

    return max(map(points, answers), default=0.0) / max(len(kinds), 1)


def fix_rates(results: Sequence[ScoredResult]) -> FixRates:
    """Return how often the program obeys the laws with the tool's fix applied."""
    broken = counted(results, ProgramRole.BROKEN)
    offered = sum(result.offers_fix for result in broken)
    edits = [result.edit for result in broken if result.edit]
    return FixRates(
        rate(Credit.FIXED in result.credit for result in broken),
        offered,
        precision=mean(edit.precision for edit in edits) if edits else None,
        size_ratio=median(edit.size_ratio for edit in edits) if edits else None,
    )
