"""The result of a diagnosis: findings, their fixes, and what was and was not checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.edits import changed_lines, diff
from broken_convnets.commands.diagnose.findings import Location, Severity
from broken_convnets.commands.diagnose.source import text_of

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.findings import Finding, NotChecked
    from broken_convnets.commands.diagnose.repair import Fix
    from broken_convnets.commands.explain.matching import Match
    from broken_convnets.observe.failure import Failure


def lines_around(changed: list[int], old: str, new: str) -> range:
    """Return the lines that a fix changes, moves something across, or inserts something before."""
    inserts = new.count("\n") > old.count("\n")
    return range(min(changed), max(changed) + 1 + inserts)


@dataclass
class Diagnosis:
    """What is wrong with a program.

    `program_exit_code` is the program's own, or 130 or 143 if a signal stopped it or this command.
    `failure` is the exception that ended the program; None if there was none. `similar` are the
    cases that are like it, if no rule recognizes it.
    """

    findings: list[Finding]
    checked: list[str] = field(default_factory=list)
    not_checked: list[NotChecked] = field(default_factory=list)
    fixes: dict[tuple[str, str], list[Fix]] = field(default_factory=dict)
    program_exit_code: int = 0
    failure: Failure | None = None
    similar: list[Match] = field(default_factory=list)
    table: list[tuple[str, str]] = field(default_factory=list)  # lines, each with its style

    @property
    def exit_code(self) -> int:
        """The program's own exit code if it failed; else 1 with an error, 0 without."""
        if self.program_exit_code:
            return self.program_exit_code
        return int(any(finding.severity is Severity.ERROR for finding in self.findings))

    def place_causes(self) -> None:
        """Place each finding that has a verified fix at the first line which that fix changes."""
        self.findings = [self._placed(finding) for finding in self.findings]

    def _placed(self, finding: Finding) -> Finding:
        best = next((fix for fix in self.fixes_of(finding) if fix.verified), None)
        if best is None:
            return finding
        path, text = next(iter(best.patch.items()))
        old = text_of(path)
        lines = changed_lines(old, text)
        cause = finding.cause
        if not lines or (
            cause and cause.file == path and cause.line in lines_around(lines, old, text)
        ):
            return finding
        return replace(finding, cause=Location(path, min(lines)))

    def fixes_of(self, finding: Finding) -> list[Fix]:
        """Return the fixes of a finding, verified ones first."""
        return self.fixes.get(finding.identity, [])

    def diff_of(self, fix: Fix, context: int = 3) -> str:
        """Return a fix as a unified diff against the files on disk."""
        return "".join(diff(path, text_of(path), text, context) for path, text in fix.patch.items())
