"""What the grader sends to compare a program with the pair of its case, and what comes back."""

from __future__ import annotations

from msgspec import Struct

OBSERVE_PAIR = "broken_convnets.commands.learn.pair.observe_pair:observe_pair"


class PairRequest(Struct, frozen=True):
    """A program, and the two sides of the case that it should repair.

    `laws` are those that the case violates, and `seeds` is the number of seeds for which it is
    judged. `clips` says that both sides clip gradients.
    """

    program: str
    fixed: str
    broken: str
    laws: frozenset[str] = frozenset()
    clips: bool = False
    seeds: int = 1


class PairFacts(Struct, frozen=True):
    """What the program does as the case does it, and not as the fix does: one clause each.

    `other_parameters` says that it lacks parameters that both sides have: it was compared less.
    """

    kept: list[str] = []
    other_parameters: bool = False
