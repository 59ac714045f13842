"""What a tool finds that a plain traceback does not, and what only the traceback finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from .answers import name
from .programs import Side
from .rates import of_side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .answers import Answer


class Change(Struct, frozen=True):
    """Broken programs by entry: those that only the tool gets right, and only the baseline."""

    gained: list[str]
    lost: list[str]

    @property
    def net(self) -> int:
        """How many more the tool gets right."""
        return len(self.gained) - len(self.lost)


class Lift(Struct, frozen=True):
    """A tool against the baseline, over the `of` broken programs that both were asked about."""

    of: int
    flags: Change
    places: Change  # names a line to change
    names: Change  # names the kind


def lift(answers: Sequence[Answer], baseline: Sequence[Answer]) -> Lift:
    """Compare a tool with the baseline, program by program; what either declined is left out."""
    theirs = {answer.program.key: answer for answer in of_side(baseline, Side.BROKEN)}
    both = [(answer, theirs[answer.program.key]) for answer in of_side(answers, Side.BROKEN)
            if answer.program.key in theirs]  # fmt: skip
    return Lift(
        len(both),
        flags=_change(both, lambda answer: answer.flagged),
        places=_change(both, lambda answer: answer.at_cause),
        names=_change(both, lambda answer: answer.points == 1),
    )


def _change(both: Sequence[tuple[Answer, Answer]], right: Callable[[Answer], bool]) -> Change:
    return Change(
        gained=sorted(name(own.program) for own, base in both if right(own) and not right(base)),
        lost=sorted(name(own.program) for own, base in both if right(base) and not right(own)),
    )
