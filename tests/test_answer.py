"""What `explain` shows keeps to the terminal's width and tears no word, path or line of code."""

from __future__ import annotations

import re

import pytest
from broken_convnets.commands.explain.answer import answer
from broken_convnets.commands.explain.matching import explain
from broken_convnets.corpus.entries import default_root

ROOT = default_root()
WIDTHS = (40, 80, 132)
SHAPES = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x2704 and 400x10)"


def _page(text: str, width: int) -> str:
    matches = explain(text, corpus=ROOT)
    return "".join(piece for piece, _ in answer(matches, ROOT, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_prose_fits_the_width_and_commands_stay_on_one_line(width: int) -> None:
    rows = _page(SHAPES, width).splitlines()
    assert "   More: broken-convnets show shape/linear_in_features_image_size" in rows
    prose = [row for row in rows if not re.match(r" {3}([-+ ] |More|The fix)|.*\(\w+/", row)]
    assert len(prose) > 10
    assert max(map(len, prose)) <= width


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", [SHAPES, "nothing like it", f"RuntimeError: {'x' * 500} y"])
def test_no_word_is_lost_whatever_the_width(text: str, width: int) -> None:
    assert _page(text, width).split() == _page(text, 1000).split()


def test_a_terminal_of_width_0_is_handled() -> None:
    assert _page(SHAPES, 0) == _page(SHAPES, 1)


def test_headings_are_bold_and_the_fix_is_red_and_green() -> None:
    matches = explain("Target 10 is out of bounds", top=1, corpus=ROOT)
    styles = {text.strip(): style for text, style in answer(matches, ROOT, 132)}
    assert styles["1. Class labels start at 1"] == "bold"
    assert styles["How to tell it apart:"] == "bold"
    assert styles["-     return (numbers,)"] == "red"
    assert styles["+     return (numbers - 1,)"] == "green"
    assert styles["(loss/labels_start_at_one)"] == "cyan"
