"""Python's regular expressions, translated into equivalent ones in JavaScript."""

from __future__ import annotations

import re

import pytest
from broken_convnets.commands.site.patterns import javascript


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        (re.compile(r"a\.b(?:c|d)+"), r"a\.b(?:c|d)+"),
        (re.compile(r"(?P<name>\S)"), r"(?<name>[^\s\x1c-\x1f\x85])"),
        (re.compile(r"[\w.-]"), r"[\p{L}\p{N}_.-]"),
        (re.compile(r"\w\d", re.ASCII), "[A-Za-z0-9_][0-9]"),
        (re.compile(r"[\"'\-]\"\-"), r"""["'\-]"-"""),
        (re.compile(r".[.]"), r"[^\n][.]"),
        (re.compile(r".", re.DOTALL), r"[\s\S]"),
        (re.compile("a$"), r"a(?=\n?(?![\s\S]))"),
        (re.compile(r"\x1b\u2018\["), r"\x1b\u2018\["),
    ],
)
def test_a_pattern_is_translated(pattern: re.Pattern[str], source: str) -> None:
    assert javascript(pattern) == source


def test_a_word_boundary_is_unicode_aware() -> None:
    assert javascript(re.compile(r"\b")).count(r"[\p{L}\p{N}_]") == 4


@pytest.mark.parametrize("sick", [re.compile("a", re.IGNORECASE), re.compile(r"[\S]")])
def test_an_unsupported_pattern_is_rejected(sick: re.Pattern[str]) -> None:
    with pytest.raises(ValueError, match="not translated"):
        javascript(sick)
