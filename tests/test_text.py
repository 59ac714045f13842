"""A mask hides the variable parts of a message only; hunks are the changes of a fix."""

from __future__ import annotations

import pytest
from broken_convnets.corpus.diff import Hunk, cause_lines, hunks, without_hunk
from broken_convnets.util.mask import LENGTH, mask


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("<Net object at 0x7f3a2b1c>", "<Net object at 0x…>"),
        ("\x1b[31mred\x1b[0m", "red"),
        ('File "/home/me/program.py", line 12, in f', 'File "program.py", line …, in f'),
        (
            'File "/a/lib/python3.11/site-packages/torch/nn.py", line 9',
            'File "…/site-packages/torch/nn.py", line …',
        ),
        ("cannot remove '/var/scratch/tmpj9_eeyjv' here", "cannot remove '…' here"),
        ("no file '/var/scratch/broken-convnets-k1/tmpj9_eeyjv/x.pt'", "no file '…/x.pt'"),
        ("no folder '/var/scratch/broken-convnets-k1'", "no folder '…'"),
        ("no file '/data/tmp_images/x.png'", "no file '/data/tmp_images/x.png'"),
        (
            "mat1 and mat2 shapes cannot be multiplied (16x4 and 16x5)",
            "mat1 and mat2 shapes cannot be multiplied (16x4 and 16x5)",
        ),
        ("expected 0x10 or a/b/c", "expected 0x10 or a/b/c"),
        ("", ""),
    ],
)
def test_a_message_is_masked(message: str, masked: str) -> None:
    assert mask(message) == masked
    assert mask(masked) == masked


def test_a_long_message_is_truncated() -> None:
    assert mask("x" * (LENGTH + 9)) == "x" * LENGTH + "…"
    assert mask("x" * LENGTH) == "x" * LENGTH


OLD = "a\nb\nc\nd\ne\n"


@pytest.mark.parametrize(
    ("new", "found", "lines"),
    [
        (OLD, [], set()),
        ("a\nB\nc\nd\ne\n", [Hunk(1, 2, 1, 2)], {2}),
        ("a\nB\nc\nd\nE\n", [Hunk(1, 2, 1, 2), Hunk(4, 5, 4, 5)], {2, 5}),
        ("a\nb\nx\nc\nd\ne\n", [Hunk(2, 2, 2, 3)], {2}),
        ("x\na\nb\nc\nd\ne\n", [Hunk(0, 0, 0, 1)], {1}),
        ("a\nb\nc\nd\ne\nx\n", [Hunk(5, 5, 5, 6)], {5}),
        ("a\nc\nd\ne\n", [Hunk(1, 2, 1, 1)], {2}),
    ],
)
def test_the_hunks_and_the_causes_of_a_fix(new: str, found: list[Hunk], lines: set[int]) -> None:
    assert hunks(OLD, new) == found
    assert cause_lines(OLD, new) == lines


def test_each_hunk_can_be_reverted_alone() -> None:
    new = "a\nB\nc\nx\nd\n"
    assert [without_hunk(OLD, new, hunk) for hunk in hunks(OLD, new)] == [
        "a\nb\nc\nx\nd\n",
        "a\nB\nc\nd\n",
        "a\nB\nc\nx\nd\ne\n",
    ]


def test_the_size_of_a_hunk_counts_both_sides() -> None:
    assert [hunk.size for hunk in hunks(OLD, "a\nB\nC\nd\n")] == [4, 1]
