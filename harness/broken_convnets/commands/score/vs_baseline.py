"""What a tool finds that a plain traceback does not, and what only the traceback finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.answers import name
from broken_convnets.commands.score.credit import Credit
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.rates import of_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.answers import Answer


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
    both = [
        (answer, theirs[answer.program.key])
        for answer in of_side(answers, Side.BROKEN)
        if answer.program.key in theirs
    ]
    return Lift(
        len(both),
        flags=_change(both, Credit.FLAGS),
        places=_change(both, Credit.PLACES),
        names=_change(both, Credit.NAMES),
    )


def _change(both: Sequence[tuple[Answer, Answer]], what: Credit) -> Change:
    def only(one: int, other: int) -> list[str]:
        return sorted(
            name(pair[one].program)
            for pair in both
            if what in pair[one].credit - pair[other].credit
        )

    return Change(gained=only(0, 1), lost=only(1, 0))
