"""Find the symptoms that a text describes."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.explain.symptoms.interviews import words
from broken_convnets.commands.explain.symptoms.phrases import (
    Phrase,
    expression,
    pattern_of,
    phrases,
    split,
)
from broken_convnets.commands.explain.symptoms.topic import is_about_networks
from broken_convnets.corpus.symptoms import Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 3_000  # characters of a text that are read, from its beginning
FADE = 100.0  # characters after which a phrase counts 1 less: people begin with what is wrong
FADED = 2.0  # at most
QUOTES = re.compile("[\u2018\u2019\u02bc`]")


class SymptomMatch(Struct, frozen=True):
    """A symptom that a text describes: the weight of its heaviest phrase, and where it begins."""

    symptom: Symptom
    weight: float
    place: int


def normalized(text: str) -> str:
    """Return a text in lower case, with plain apostrophes and single spaces."""
    text = QUOTES.sub("'", text[:LIMIT].lower())
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def symptoms_in(text: str) -> list[SymptomMatch]:
    """Return the symptoms that a text describes, the most likely one first.

    Returns none for a text about something else than networks.
    """
    text = normalized(text)
    if not is_about_networks(text):
        return []
    found = [
        SymptomMatch(phrase.symptom, _weight(phrase, place), place)
        for phrase, place in _found(text)
    ]
    best: dict[Symptom, SymptomMatch] = {}
    for match in sorted(found, key=lambda match: (-match.weight, match.place)):
        best.setdefault(match.symptom, match)
    return list(best.values())


def _found(text: str) -> Iterator[tuple[Phrase, int]]:
    """Yield the phrases in a text, each with the place where it begins.

    Most phrases have a word that is not in the text; to compile the others only is much faster.
    """
    known = words()
    occurs = cache(lambda word: re.search(expression(word, known), text) is not None)
    for phrase in phrases():
        if all(map(occurs, split(phrase.text))):
            match = pattern_of(phrase.text, known).search(text)
            if match:
                yield phrase, match.start()


def _weight(phrase: Phrase, place: int) -> float:
    return phrase.weight - min(place / FADE, FADED)
