"""Compare a tool's answers with its record: what was lost, what was gained, what is out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.record import misses

if TYPE_CHECKING:
    from broken_convnets.commands.score.record import RecordedAnswers, ToolRecord


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
