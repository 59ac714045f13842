"""What a tool's fix changes, beside the true fix: its line, precision and size."""

from __future__ import annotations

import pytest
from broken_convnets.commands.score.programs.edit import Edit, edit_of, with_lines_of_fixes
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Status,
)
from broken_convnets.corpus.diff import cause_lines
from broken_convnets.corpus.entries import Case
from kit import our_corpus

BROKEN = "a = 1\nb = 2\nc = 3\nd = 4\n"
FIXED = "a = 1\nb = 5\nc = 3\nd = 4\n"


def _edit(patched: str) -> Edit | None:
    return edit_of(unified_diff(BROKEN, patched, "net.py"), BROKEN, FIXED)


@pytest.mark.parametrize(
    ("patched", "edit"),
    [
        pytest.param(FIXED, Edit(2, 2, 2), id="the true fix"),
        pytest.param("a = 1\nb = 6\nc = 3\nd = 4\n", Edit(1, 2, 2), id="another value"),
        pytest.param("a = 1\nb = 5\nc = 3\nd = 0\n", Edit(2, 4, 2), id="one more line"),
        pytest.param("a = 0\nb = 2\nc = 3\nd = 4\n", Edit(0, 2, 2), id="elsewhere"),
        pytest.param("a = 1\n\n    b = 5\nc = 3\nd = 4\n", Edit(2, 2, 2), id="layout"),
    ],
)
def test_lines_are_compared_with_those_of_the_true_fix(patched: str, edit: Edit) -> None:
    assert _edit(patched) == edit
    assert edit.precision == edit.shared / edit.changed
    assert edit.size_ratio == edit.changed / 2


def test_a_patch_that_does_not_apply_has_no_size() -> None:
    assert edit_of("@@ -1 +1 @@\n-no such line\n+x\n", BROKEN, FIXED) is None


def test_the_true_fix_of_every_case_is_precise_and_points_at_its_cause() -> None:
    for case in our_corpus().entries.values():
        if isinstance(case, Case):
            diff = unified_diff(case.broken, case.fixed, "net.py")
            edit = edit_of(diff, case.broken, case.fixed)
            assert edit is not None, case.id
            assert (edit.precision, edit.size_ratio) == (1.0, 1.0), case.id
            found = with_lines_of_fixes(
                Diagnosis(Status.FLAGGED, [Finding("patch", fix=diff)]), case.broken
            )
            location = found.findings[0].location
            assert location is not None, case.id
            assert location.line in cause_lines(case.broken, case.fixed), case.id


def test_the_line_that_a_tool_names_stays() -> None:
    diff = unified_diff(BROKEN, FIXED, "net.py")
    named = Finding("b", location=Location(4, LocationRole.SYMPTOM), fix=diff)
    found = with_lines_of_fixes(Diagnosis(Status.FLAGGED, [named]), BROKEN)
    assert found.findings == [named]
