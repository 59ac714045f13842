"""What a diagnosis finds: a violated property, its evidence, its cause, and candidate fixes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.vocabulary import Law


class Severity(StrEnum):
    """How sure a finding is, and what it does to the exit code."""

    ERROR = "error"  # a property is violated: exit code 1
    WARNING = "warning"  # worth a look, and often intended


@dataclass(frozen=True)
class Location:
    """A line of one of the user's own files, counted from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class Candidate:
    """A change that may fix a finding.

    `rank` orders the candidates of one finding before any is tried: 0 is what an expert would
    write first. A change that alters shapes, parameter counts or the caller's data ranks later.
    """

    patch: Patch
    rank: int = 0
    note: str = ""  # what it does, in a few words, where the diff does not say it


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One violated property. `rule` is the name of the check, which `apply_rules` adds.

    `message` says what is violated, `evidence` shows the program's own numbers. `cause` is the
    line to change, `symptom` the line where the failure shows, if that is another one. `subject`
    tells two findings of one rule apart: the path of a layer, or the text of an expression.
    """

    kind: str
    message: str
    evidence: str
    rule: str = ""
    severity: Severity = Severity.ERROR
    violates: tuple[Law, ...] = ()
    cause: Location | None = None
    symptom: Location | None = None
    subject: str = ""
    module: str = ""  # path of the layer that is responsible, as named_modules() has it
    cases: tuple[str, ...] = ()  # ids of cases of the corpus that show this mistake
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    confidence: int = 5  # orders findings of one severity: the higher, the earlier

    @property
    def identity(self) -> tuple[str, str]:
        """What makes it the same finding in another run of the program."""
        return self.rule, self.subject


@dataclass(frozen=True)
class NotChecked:
    """A property that could not be checked, and why."""

    what: str
    why: str


@dataclass
class Findings:
    """What one diagnosis found, checked, and could not check."""

    found: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)  # descriptions of properties that hold
    not_checked: list[NotChecked] = field(default_factory=list)

    def sorted(self) -> list[Finding]:
        """Return the findings, errors first, the most certain first."""
        return sorted(
            self.found, key=lambda one: (one.severity is not Severity.ERROR, -one.confidence)
        )
