"""Compare the lines that a tool's fix changes with those that the true fix changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.programs.patch import PatchError, apply_patch
from broken_convnets.commands.score.protocol.messages import Location, LocationRole
from broken_convnets.corpus.diff import cause_lines, hunks

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding


class Edit(Struct, frozen=True, forbid_unknown_fields=True):
    """The size of a tool's fix: removed and added lines, without blank ones.

    `shared` of the `changed` lines are also changed by the true fix, which changes `true` lines.
    """

    shared: int
    changed: int
    true: int

    @property
    def precision(self) -> float:
        """The share of the changed lines that the true fix also changes."""
        return self.shared / self.changed if self.changed else 0.0

    @property
    def size_ratio(self) -> float:
        """The size of the tool's fix, in sizes of the true fix."""
        return self.changed / max(self.true, 1)


def edit_of(patch: str, broken: str, fixed: str) -> Edit | None:
    """Return the size of a fix beside the true one; None if it does not apply to `broken`."""
    try:
        patched = apply_patch(patch, broken)
    except PatchError:
        return None
    ours, true = _changed(broken, patched), _changed(broken, fixed)
    return Edit((ours & true).total(), ours.total(), true.total())


def _changed(old: str, new: str) -> Counter[tuple[int, str]]:
    """Return the removed lines with their numbers from 1, and the added ones with number 0."""
    before, after = old.splitlines(), new.splitlines()
    changed: Counter[tuple[int, str]] = Counter()
    for hunk in hunks(old, new):
        for at in range(hunk.broken_start, hunk.broken_stop):
            changed[at + 1, before[at].strip()] += 1
        changed.update((0, line.strip()) for line in after[hunk.fixed_start : hunk.fixed_stop])
    return Counter({line: count for line, count in changed.items() if line[1]})


def with_lines_of_fixes(diagnosis: Diagnosis, source: str) -> Diagnosis:
    """Return a diagnosis in which a finding with a fix, but no location, points at the fix."""
    findings = [_located(finding, source) for finding in diagnosis.findings]
    return msgspec.structs.replace(diagnosis, findings=findings)


def _located(finding: Finding, source: str) -> Finding:
    if finding.location or not finding.fix:
        return finding
    try:
        line = min(cause_lines(source, apply_patch(finding.fix, source)))
    except PatchError:
        return finding
    return msgspec.structs.replace(finding, location=Location(line, LocationRole.CAUSE))
