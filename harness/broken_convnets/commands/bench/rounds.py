"""Time calls in turn, in rounds that keep the minimum of each call.

Whatever disturbs the machine disturbs neighbors in time alike, so calls take turns, forth and
back, in an order that is drawn anew for each turn. Most short samples are undisturbed, and their
minimum is the most repeatable statistic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.bench.clock import repeat_for

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from broken_convnets.commands.bench.clock import Call, Clock

ROUND_NS = 40_000_000  # upper bound of a round, unless a single turn takes longer
TURNS = 6  # forth and back, in a round of short calls
LEAST_ROUNDS = 3  # however long they take
WARM_UP_SECONDS = 0.02
WARM_UP_CALLS = 3  # at least


def time_in_turn(
    clock: Clock,
    calls: Mapping[str, Call],
    end: float,
    generator: random.Random,
    now: Callable[[], float],
) -> list[dict[str, float]]:
    """Return rounds, each with the minimum of each call in nanoseconds.

    There are LEAST_ROUNDS at least, and more as long as the next one is expected to finish before
    `end`, a time of the clock `now`, in seconds.
    """
    longest = max(warm_up(clock, call, now) for call in calls.values())
    repeat = repeat_for(longest)
    turns = max(1, min(TURNS, int(ROUND_NS / (2 * len(calls) * longest * repeat))))
    rounds: list[dict[str, float]] = []
    lasted = 0.0
    while len(rounds) < LEAST_ROUNDS or now() + lasted < end:
        begun = now()
        rounds.append(_round(clock, calls, turn_order(list(calls), turns, generator), repeat))
        lasted = now() - begun
    return rounds


def warm_up(clock: Clock, call: Call, now: Callable[[], float]) -> float:
    """Call until WARM_UP_SECONDS have passed; return the shortest call in nanoseconds."""
    shortest, end, done = float("inf"), now() + WARM_UP_SECONDS, 0
    while done < WARM_UP_CALLS or now() < end:
        shortest = min(shortest, *clock.read([call]).ns)
        done += 1
    return shortest


def turn_order(names: list[str], turns: int, generator: random.Random) -> list[str]:
    """Return the names in the order of their samples: each 2 * `turns` times, forth and back."""
    order = []
    for _ in range(turns):
        forth = generator.sample(names, len(names))
        order += [*forth, *reversed(forth)]
    return order


def _round(
    clock: Clock, calls: Mapping[str, Call], order: list[str], repeat: int
) -> dict[str, float]:
    samples = clock.read([calls[name] for name in order], repeat).ns
    least = dict.fromkeys(calls, float("inf"))
    for name, ns in zip(order, samples, strict=True):
        least[name] = min(least[name], ns)
    return least
