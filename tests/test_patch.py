"""A unified diff is applied where its lines are, and refused where that is not clear."""

from __future__ import annotations

import re

import pytest
from broken_convnets.commands.score.programs.patch import PatchError, SIZE_LIMIT, apply_patch, unified_diff
from broken_convnets.corpus.entries import Case, default_root, load
from kit import BROKEN, HEALTHY, patched

PATCH = unified_diff(BROKEN, HEALTHY, "net.py")
TWICE = patched(("import torch\n", "import math\n\nimport torch\n"), ("=4", "=8"))
CLEAN = """\
@@ -16,2 +16,2 @@
         x = torch.relu(self.conv(x))
-        return self.fc(torch.flatten(x, 2))
+        return self.fc(torch.flatten(x, 1))
"""
SHAPES = {
    "as difflib writes it": PATCH,
    "as git writes it": f"diff --git a/net.py b/net.py\nindex 1234567..89abcde 100644\n{PATCH}",
    "as git format-patch writes it": f"Subject: [PATCH] Flatten\n\n---\n{PATCH}-- \n2.40.1\n\n",
    "another file's name": PATCH.replace("a/net.py", "/home/me/x.py").replace("b/net.py", "y.py"),
    "no file's name": CLEAN,
    "no line numbers": re.sub(r"@@ .* @@", "@@ @@", CLEAN),
    "no line numbers, a heading": re.sub(r"@@ .* @@", "@@ def forward(self, x):", CLEAN),
    "line numbers that are off": CLEAN.replace("16,2", "11,3"),
    "line numbers beyond the file": CLEAN.replace("16,2", "999999999,3"),
    "counts that are wrong": CLEAN.replace("16,2", "16,9"),
    "no newline at the end": PATCH.rstrip("\n"),
    "it says that there is no newline": f"{PATCH}\\ No newline at end of file\n",
    "ends of lines of Windows": PATCH.replace("\n", "\r\n"),
    "white space at the end dropped": "\n".join(line.rstrip() for line in PATCH.split("\n")),
    "empty lines at the end": f"{PATCH}\n\n\n",
    "in a fence of Markdown": f"Here it is:\n\n```diff\n{PATCH}```\n\nIt should work now.\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_tools_write_is_applied(shape: str) -> None:
    assert apply_patch(SHAPES[shape], BROKEN) == HEALTHY


def test_several_hunks_in_any_order_are_applied() -> None:
    patch = unified_diff(HEALTHY, TWICE, "net.py")
    _, first, second = re.split(r"(?m)^(?=@@)", patch)
    assert apply_patch(patch, HEALTHY) == TWICE
    assert apply_patch(second + first, HEALTHY) == TWICE


def test_a_program_without_a_last_newline_is_mended() -> None:
    assert apply_patch(PATCH, BROKEN.rstrip("\n")) == HEALTHY


def test_what_is_not_touched_stays_to_the_letter() -> None:
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
        (CLEAN.replace("x, 2)", "x, 3)"), "hunk 1 fits nowhere"),
        (CLEAN.replace("self.conv(x)", "self.conv(y)"), "hunk 1 fits nowhere"),
        (CLEAN.replace("         x", "        x"), "hunk 1 fits nowhere"),
        ("@@ -14,1 +14,2 @@\n \n+    # here\n", "has no line to find its place by"),
        ("@@ -14,0 +14,1 @@\n+    # here\n", "has no line to find its place by"),
        ("@@ -0,0 +1,2 @@\n+import torch\n+net = None\n", "has no line to find its place by"),
        ("@@ -3,1 +3,2 @@\n     def\n", "hunk 1 fits nowhere"),
        ("@@ -1,1 +1,1 @@\n-import torch\n+import torch\n", "changes nothing"),
        (f"{CLEAN}{CLEAN}", "hunk 2 overlaps with another"),
        (f"{PATCH}{PATCH.replace('net.py', 'other.py')}", "changes 2 files"),
        ("@@ -17,1 +17,1 @@\n*       return self.fc(x)\n", "line 2 of it begins with none of"),
        ("@@ -1 +1 @@\n" + "+x\n" * SIZE_LIMIT, "longer than 256 KiB"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(patch: str, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        apply_patch(patch, BROKEN)


def test_a_hunk_that_fits_twice_is_refused_unless_its_line_says_where() -> None:
    twice = HEALTHY.replace(
        "x, 1))\n",
        "x, 1))\n\n    def again(self, x):\n"
        "        x = torch.relu(self.conv(x))\n        return x\n",
    )
    hunk = "-        x = torch.relu(self.conv(x))\n+        x = self.conv(x)\n"
    with pytest.raises(PatchError, match="hunk 1 fits at lines 14, 18: "):
        apply_patch(f"@@ -16 +16 @@\n{hunk}", twice)
    assert apply_patch(f"@@ -18 +18 @@\n{hunk}", twice).count("torch.relu") == 1
    assert apply_patch(f"@@ -18 +18 @@\n{hunk}", twice).index("torch.relu") < twice.index("again")


def test_every_fix_of_the_corpus_is_its_own_diff() -> None:
    cases = [entry for entry in load(default_root()).entries.values() if isinstance(entry, Case)]
    diffs = [(case, unified_diff(case.broken, case.fixed, "x")) for case in cases]
    wrong = [case.id for case, diff in diffs if apply_patch(diff, case.broken) != case.fixed]
    assert cases
    assert wrong == []
