"""How many broken programs a tool flags, and how many healthy ones."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.answers import topic
from broken_convnets.commands.score.intervals import Difference, Rate, difference, phi, rate
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.protocol import Need
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broken_convnets.commands.score.answers import Answer

WITHOUT_RUNNING = frozenset({Need.SOURCE, Need.ANNOTATIONS})


class Counts(Struct, frozen=True):
    """How many programs the tool was asked about, and what it made of them."""

    asked: int
    answered: Rate  # neither declined nor broken down over
    unsupported: int
    errors: int
    void: int  # broken programs that earn no credit: they fail before the tool saw them


class Recall(Struct, frozen=True):
    """The share of broken programs that are flagged."""

    all: Rate
    loud: Rate
    silent: Rate
    asked: Rate  # of all that it was asked about: one that it declined is missed


class Alarms(Struct, frozen=True):
    """The share of healthy programs that are flagged."""

    all: Rate
    fixed: Rate
    control: Rate


class Warned(Struct, frozen=True):
    """The shares that are flagged or warned of."""

    broken: Rate
    healthy: Rate


class Topic(Struct, frozen=True):
    """The same for the entries of one topic."""

    recall: Rate
    alarms: Rate


def counts(answers: Sequence[Answer]) -> Counts:
    """Count all answers, of every program."""
    return Counts(
        asked=len(answers),
        answered=rate(answer.counted and not answer.failed for answer in answers),
        unsupported=sum(not answer.counted for answer in answers),
        errors=sum(answer.failed for answer in answers),
        void=sum(answer.void for answer in answers),
    )


def recall(answers: Sequence[Answer]) -> Recall:
    """Return the recall of broken programs."""
    broken = of_side(answers, Side.BROKEN)
    asked = [answer for answer in answers if answer.program.side is Side.BROKEN]
    return Recall(
        all=flagged(broken),
        loud=flagged([answer for answer in broken if not silent(answer)]),
        silent=flagged([answer for answer in broken if silent(answer)]),
        asked=flagged(asked),
    )


def alarms(answers: Sequence[Answer]) -> Alarms:
    """Return the rates of false alarm."""
    fixed, control = (of_side(answers, side) for side in (Side.FIXED, Side.CONTROL))
    return Alarms(flagged([*fixed, *control]), flagged(fixed), flagged(control))


def warned(answers: Sequence[Answer]) -> Warned:
    """Return recall and false alarms, were each warning an alarm."""
    broken = of_side(answers, Side.BROKEN)
    healthy = of_side(answers, Side.FIXED, Side.CONTROL)
    return Warned(*(rate(answer.warned for answer in side) for side in (broken, healthy)))


def headline(answers: Sequence[Answer]) -> Difference:
    """Return recall minus the rate of false alarms: Youden's J; 0 for any coin.

    A case and its fix are alike, so what a tool says of one goes together with what it says
    of the other. That correlation is estimated from the pairs, and thinned out by what has no
    twin: the controls, and programs whose twin the tool declined.
    """
    found, false = recall(answers).all, alarms(answers).all
    both = twins(answers)
    if not both:
        return difference(found, false)
    together = phi([(broken.flagged, fixed.flagged) for broken, fixed in both])
    paired: float = len(both) / (found.of * false.of) ** 0.5
    return difference(found, false, together * paired)


def topics(answers: Sequence[Answer]) -> dict[str, Topic]:
    """Return recall and false alarms by topic."""
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        found[topic(answer.program.entry)].append(answer)
    return {name: Topic(recall(of).all, alarms(of).all) for name, of in sorted(found.items())}


def early(answers: Sequence[Answer], needs: frozenset[Need]) -> Rate | None:
    """Return how many of the programs that fail late are flagged before they do.

    A tool that runs nothing is early wherever the network or what follows it fails. One that
    runs the network is early where the network works and what follows it fails: its batch
    passed. None for any other tool, and where there is no such program.
    """
    if not needs or not needs <= WITHOUT_RUNNING | {Need.MODEL}:
        return None
    stages = {Stage.RUN} if Need.MODEL in needs else {Stage.FORWARD, Stage.RUN}
    late = [
        answer
        for answer in of_side(answers, Side.BROKEN)
        if answer.program.truth and answer.program.truth.stage in stages
    ]
    return flagged(late) if late else None


def flagged(answers: Sequence[Answer]) -> Rate:
    """Return the share of some programs that are flagged."""
    return rate(answer.flagged for answer in answers)


def of_side(answers: Sequence[Answer], *sides: Side) -> list[Answer]:
    """Return what counts of some sides."""
    return [answer for answer in answers if answer.counted and answer.program.side in sides]


def silent(answer: Answer) -> bool:
    """Return whether running the program raises nothing, though it is broken."""
    return answer.program.truth is not None and answer.program.truth.silent


def twins(answers: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    """Return the answers about the same case, broken and fixed, where both count."""
    fixed: Mapping[tuple[str, int], Answer] = {
        (answer.program.entry, answer.program.variant): answer
        for answer in of_side(answers, Side.FIXED)
    }
    broken = {
        (answer.program.entry, answer.program.variant): answer
        for answer in of_side(answers, Side.BROKEN)
    }
    return [(answer, fixed[key]) for key, answer in broken.items() if key in fixed]
