"""A unified diff is applied where its lines are, and rejected if that is ambiguous."""

from __future__ import annotations

import re

import pytest
from broken_convnets.commands.score.programs.patch import (
    SIZE_LIMIT,
    PatchError,
    apply_patch,
    unified_diff,
)
from broken_convnets.corpus.entries import Case
from kit import BROKEN, HEALTHY, our_corpus, patched

PATCH = unified_diff(BROKEN, HEALTHY, "net.py")
TWICE = patched(("import torch\n", "import math\n\nimport torch\n"), ("=4", "=8"))
CLEAN = """\
@@ -16,2 +16,2 @@
         x = torch.relu(self.conv(x))
-        return self.fc(torch.flatten(x, 2))
+        return self.fc(torch.flatten(x, 1))
"""
SHAPES = {
    "by difflib": PATCH,
    "by git": f"diff --git a/net.py b/net.py\nindex 1234567..89abcde 100644\n{PATCH}",
    "by git format-patch": f"Subject: [PATCH] Flatten\n\n---\n{PATCH}-- \n2.40.1\n\n",
    "another file name": PATCH.replace("a/net.py", "/home/me/x.py").replace("b/net.py", "y.py"),
    "no file name": CLEAN,
    "no line numbers": re.sub(r"@@ .* @@", "@@ @@", CLEAN),
    "no line numbers, a heading": re.sub(r"@@ .* @@", "@@ def forward(self, x):", CLEAN),
    "wrong line numbers": CLEAN.replace("16,2", "11,3"),
    "line numbers beyond the file": CLEAN.replace("16,2", "999999999,3"),
    "wrong counts": CLEAN.replace("16,2", "16,9"),
    "no newline at the end": PATCH.rstrip("\n"),
    "with the marker for no newline": f"{PATCH}\\ No newline at end of file\n",
    "Windows line endings": PATCH.replace("\n", "\r\n"),
    "no trailing whitespace": "\n".join(line.rstrip() for line in PATCH.split("\n")),
    "trailing empty lines": f"{PATCH}\n\n\n",
    "in a Markdown code block": f"Here it is:\n\n```diff\n{PATCH}```\n\nIt should work now.\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_diffs_of_common_tools_apply(shape: str) -> None:
    assert apply_patch(SHAPES[shape], BROKEN) == HEALTHY


def test_several_hunks_apply_in_any_order() -> None:
    patch = unified_diff(HEALTHY, TWICE, "net.py")
    _, first, second = re.split(r"(?m)^(?=@@)", patch)
    assert apply_patch(patch, HEALTHY) == TWICE
    assert apply_patch(second + first, HEALTHY) == TWICE


def test_a_diff_applies_to_a_program_without_a_final_newline() -> None:
    assert apply_patch(PATCH, BROKEN.rstrip("\n")) == HEALTHY


def test_unchanged_lines_keep_their_whitespace() -> None:
    odd = BROKEN.replace("import torch\n", "import torch  \n\x0c\n")
    assert apply_patch(CLEAN.replace("16,2", "1,3"), odd) == odd.replace("x, 2)", "x, 1)")
    added = CLEAN.replace("x, 1))", "x, 1)) \\  ")
    assert apply_patch(added, BROKEN) == BROKEN.replace("x, 2))", "x, 1)) \\  ")


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ("", "no hunk"),
        ("The flatten is wrong.", "no hunk"),
        (HEALTHY, "no hunk"),
        ("--- a/net.py\n+++ b/net.py\n", "no hunk"),
        (
            CLEAN.replace("x, 2)", "x, 3)"),
            "hunk 1: its unchanged and removed lines are not in the program",
        ),
        (
            CLEAN.replace("self.conv(x)", "self.conv(y)"),
            "hunk 1: its unchanged and removed lines are not in the program",
        ),
        (
            CLEAN.replace("         x", "        x"),
            "hunk 1: its unchanged and removed lines are not in the program",
        ),
        ("@@ -14,1 +14,2 @@\n \n+    # here\n", "has no unchanged or removed line to locate it by"),
        ("@@ -14,0 +14,1 @@\n+    # here\n", "has no unchanged or removed line to locate it by"),
        (
            "@@ -0,0 +1,2 @@\n+import torch\n+net = None\n",
            "has no unchanged or removed line to locate it by",
        ),
        (
            "@@ -3,1 +3,2 @@\n     def\n",
            "hunk 1: its unchanged and removed lines are not in the program",
        ),
        ("@@ -1,1 +1,1 @@\n-import torch\n+import torch\n", "the diff changes nothing"),
        (f"{CLEAN}{CLEAN}", "hunk 2 overlaps with another"),
        (f"{PATCH}{PATCH.replace('net.py', 'other.py')}", "changes 2 files"),
        (
            "@@ -17,1 +17,1 @@\n*       return self.fc(x)\n",
            "line 2 of the diff does not begin with",
        ),
        ("@@ -1 +1 @@\n" + "+x\n" * SIZE_LIMIT, "longer than 256 KiB"),
    ],
)
def test_an_inapplicable_diff_is_rejected_with_the_reason(patch: str, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        apply_patch(patch, BROKEN)


def test_an_ambiguous_hunk_needs_its_line_number() -> None:
    twice = HEALTHY.replace(
        "x, 1))\n",
        "x, 1))\n\n    def again(self, x):\n"
        "        x = torch.relu(self.conv(x))\n        return x\n",
    )
    hunk = "-        x = torch.relu(self.conv(x))\n+        x = self.conv(x)\n"
    with pytest.raises(PatchError, match=r"hunk 1: .* match at several lines \(14, 18\)"):
        apply_patch(f"@@ -16 +16 @@\n{hunk}", twice)
    assert apply_patch(f"@@ -18 +18 @@\n{hunk}", twice).count("torch.relu") == 1
    assert apply_patch(f"@@ -18 +18 @@\n{hunk}", twice).index("torch.relu") < twice.index("again")


def test_the_diff_of_every_case_applies() -> None:
    cases = [entry for entry in our_corpus().entries.values() if isinstance(entry, Case)]
    diffs = [(case, unified_diff(case.broken, case.fixed, "x")) for case in cases]
    wrong = [case.id for case, diff in diffs if apply_patch(diff, case.broken) != case.fixed]
    assert cases
    assert wrong == []
