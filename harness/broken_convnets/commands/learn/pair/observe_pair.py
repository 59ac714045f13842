"""Run a program beside both sides of its case, and compare: in the judge's process, on values.

The seed is one of those under which the laws judge, and the numbers of samples are the program's
own and others that are drawn here: no program can be right for the comparison alone.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from broken_convnets.commands.learn.pair.behavior import behavior, resumed, score
from broken_convnets.commands.learn.pair.facts import PairFacts, PairRequest
from broken_convnets.commands.learn.pair.in_between import in_between
from broken_convnets.commands.learn.pair.kept import STATE, kept, kept_values
from broken_convnets.commands.learn.pair.loaded import Loader
from broken_convnets.commands.learn.pair.start import NO_START, OtherParametersError, common_starts
from broken_convnets.observe.subject import SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.learn.pair.start import Named, Start, Starts
    from broken_convnets.observe.remote.subject import RemoteProgram

SIZES = (range(2, 13), range(14, 41))  # of batches: one of each is drawn
EPOCHS = range(5, 9)  # of a training that is interrupted
RESUMED = 3  # trainings, since in some nothing depends on where they stop

Result = TypeVar("Result")


class Sides(NamedTuple):
    """The program, and what it is compared with."""

    program: RemoteProgram
    fixed: RemoteProgram
    broken: RemoteProgram


def observe_pair(request: PairRequest) -> PairFacts:
    """Return what a program does as the case does it, where the fix does it otherwise."""
    draws = random.SystemRandom()
    loader = Loader(draws.randrange(request.seeds))
    sides = Sides(*map(loader.load, (request.program, request.fixed, request.broken)))
    starts, other = None, False
    try:
        starts = common_starts(sides)
    except OtherParametersError:
        other = True
    try:
        found = [
            *_kept(sides, starts, draws),
            *in_between(sides.program, sides.fixed, request.laws, clips=request.clips),
        ]
    except SubjectError as error:
        found = [f"the program raises {error.classes[0]} where the fix does not: {error}"]
    loader.end()
    return PairFacts(list(dict.fromkeys(found)), other)


def _kept(sides: Sides, starts: Starts | None, draws: random.Random) -> Iterator[str]:
    for size in (None, *map(draws.choice, SIZES)):
        if starts:
            runs = _of_each(sides, starts, partial(behavior, size=size))
            yield from kept(*runs) if runs else ()
        if sides.fixed.has("score"):
            ask = partial(score, size=size, seed=draws.getrandbits(32))
            scores = _of_each(sides, NO_START, ask)
            yield from ("the score of outputs is that of the case" for _ in _values(scores))
    if starts and sides.fixed.has("train"):
        for epochs in draws.sample(EPOCHS, RESUMED):
            ask = partial(resumed, epochs=epochs, stop=draws.randrange(1, epochs - 1))
            states = _of_each(sides, starts, ask)
            yield from (
                f"a resumed training ends with {one} of the case" for one in _values(states)
            )


def _of_each(
    sides: Sides, starts: Starts, ask: Callable[[RemoteProgram, Start], Result]
) -> tuple[Result, Result, Result] | None:
    """Return what each side does; None if that is not defined for the pair.

    Raises SubjectError for what only the program raises.
    """
    try:
        fixed, broken = ask(sides.fixed, starts[1]), ask(sides.broken, starts[2])
    except Exception:  # noqa: BLE001  (the sides of a case raise for what they are not meant for)
        return None
    return ask(sides.program, starts[0]), fixed, broken


def _values(found: tuple[Named, Named, Named] | None) -> list[str]:
    return kept_values(STATE, *found) if found else []
