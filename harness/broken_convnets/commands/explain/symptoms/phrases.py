"""Compile the phrases of the interviews to regular expressions, each with a weight."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.explain.symptoms.interviews import interview_of
from broken_convnets.corpus.symptoms import Symptom

if TYPE_CHECKING:
    from collections.abc import Mapping

GAP = r"(?:(?![.!?;]\s)[^\n]){0,45}?"  # between the words of a phrase: not across sentences
DIGITS = 3  # of a weight
GENERAL = 0.85  # how much a phrase of a general symptom counts
OWN = 0.6  # how much an expression counts that stands only in one phrase, and not in words.toml
_WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")


class Phrase(Struct, frozen=True):
    """A phrase of a symptom. The fewer symptoms use its words, the larger its weight."""

    symptom: Symptom
    text: str
    weight: float


@cache
def phrases() -> list[Phrase]:
    """Return the phrases of all interviews."""
    texts = {symptom: interview_of(symptom).phrases for symptom in Symptom}
    used = Counter(word for found in texts.values() for word in _words_of(found))
    return [
        Phrase(symptom, text, _weight(symptom, text, used))
        for symptom, found in texts.items()
        for text in found
    ]


def pattern_of(text: str, known: Mapping[str, str]) -> re.Pattern[str]:
    """Return the expression for a phrase, for text in lower case.

    `known` has the expressions of words in capitals; raises KeyError for an unknown one.
    """
    parts = [expression(word, known) for word in split(text)]
    return re.compile(GAP.join(parts))


def expression(word: str, known: Mapping[str, str]) -> str:
    """Return the expression for one word of a phrase."""
    inside = _WORD.sub(lambda found: f"(?:{known[found[0]]})", word)
    return rf"(?<!\w)(?:{inside})(?!\w)"


def split(text: str) -> list[str]:
    """Return the words of a phrase: its parts between spaces that are not inside brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == " " and not depth:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _words_of(texts: list[str]) -> set[str]:
    return {word for text in texts for word in split(text)}


def _weight(symptom: Symptom, text: str, used: Counter[str]) -> float:
    """Return the sum of the rarities of the words; a word of its own is as rare as half of one."""
    rarities = [
        math.log(len(Symptom) / used[word]) * (1.0 if _WORD.fullmatch(word) else OWN)
        for word in split(text)
    ]
    factor = GENERAL if interview_of(symptom).general else 1.0
    return round(factor * sum(rarities), DIGITS)
