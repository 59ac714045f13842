"""Compare a tool's answers with its record: what was lost, what was gained, what is out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.programs.hand_out import Sides
from broken_convnets.commands.score.record import misses
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broken_convnets.commands.score.record import RecordedAnswers, ToolRecord


def require_same_selection(
    path: Path, record: ToolRecord, only: Iterable[str], sides: Sides, seed: int
) -> None:
    """Raise UsageError if a record is of other programs than this run.

    A record of the whole corpus is compared with any part of it.
    """
    if record.only and record.only != sorted(set(only)):
        again = " ".join(f"--only {name}" for name in record.only)
        message = f"{path} is of a selection: pass the same one, {again}, or another --recorded"
    elif record.sides is Sides.ONE and (sides, seed) != (Sides.ONE, record.seed):
        message = (
            f"{path} is of one side of each pair: pass --seed {record.seed} without "
            "--both-sides, or another --recorded"
        )
    else:
        return
    raise UsageError(message)


class CreditChange(Struct, frozen=True):
    """One program for which a tool lost or gained a credit."""

    program: str
    what: str

    def __str__(self) -> str:
        """Return the change as one line."""
        return f"{self.program}: {self.what}"


def lost(record: ToolRecord, answers: RecordedAnswers) -> list[CreditChange]:
    """Return the recorded credits that the tool no longer earns on the programs it ran on."""
    return _changes(record.programs, answers, "no longer")


def gained(record: ToolRecord, answers: RecordedAnswers) -> list[CreditChange]:
    """Return the credits that are not recorded."""
    return _changes(answers, record.programs, "now")


def outdated_misses(record: ToolRecord, answers: RecordedAnswers) -> list[str]:
    """Return the recorded misses that are no longer misses, among the programs it ran on."""
    programs = {f"{entry} {role}" for entry, by_role in answers.items() for role in by_role}
    return sorted((set(record.misses) & programs) - set(misses(answers)))


def _changes(these: RecordedAnswers, others: RecordedAnswers, word: str) -> list[CreditChange]:
    return [
        CreditChange(f"{entry} {role}", f"{word} {credit.meaning}")
        for entry, by_role in sorted(these.items())
        for role, answer in sorted(by_role.items())
        if role in others.get(entry, {})
        for credit in sorted(set(answer.credit) - set(others[entry][role].credit))
    ]
