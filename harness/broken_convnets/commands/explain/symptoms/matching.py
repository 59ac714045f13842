"""Find the symptoms that a text describes."""

from __future__ import annotations

import re
from msgspec import Struct

from broken_convnets.commands.explain.symptoms.phrases import Phrase, phrases
from broken_convnets.corpus.symptoms import Symptom  # noqa: TC001  (msgspec needs it)

LIMIT = 3_000  # characters of a text that are read, from its beginning
FADE = 100.0  # characters after which a phrase counts 1 less: people begin with what is wrong
FADED = 2.0  # at most
_QUOTES = re.compile("[\u2018\u2019\u02bc`]")


class SymptomMatch(Struct, frozen=True):
    """A symptom that a text describes: the weight of its heaviest phrase, and where it begins."""

    symptom: Symptom
    weight: float
    place: int


def normalized(text: str) -> str:
    """Return a text in lower case, with plain apostrophes and single spaces."""
    text = _QUOTES.sub("'", text[:LIMIT].lower())
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def symptoms_in(text: str) -> list[SymptomMatch]:
    """Return the symptoms that a text describes, the most likely one first."""
    text = normalized(text)
    found = [
        SymptomMatch(phrase.symptom, _weight(phrase, match.start()), match.start())
        for phrase in phrases()
        if (match := phrase.pattern.search(text))
    ]
    best: dict[Symptom, SymptomMatch] = {}
    for match in sorted(found, key=lambda match: (-match.weight, match.place)):
        best.setdefault(match.symptom, match)
    return list(best.values())


def _weight(phrase: Phrase, place: int) -> float:
    return phrase.weight - min(place / FADE, FADED)
