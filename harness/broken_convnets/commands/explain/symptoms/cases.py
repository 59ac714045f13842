"""Rank the cases of a symptom by how much their pages have in common with a text."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from broken_convnets.corpus.contents import contents_of
from broken_convnets.corpus.declared import SpecError, read_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from broken_convnets.corpus.spec import CaseSpec
    from broken_convnets.corpus.symptoms import Symptom

NAME = 2.0  # how much a word of the title or the id counts, compared with one of the prose
COMMON = 1.0  # what the mistake that people report most often is worth, compared with a word
_WORD = re.compile(r"[a-z][a-z0-9]+")
_ENDINGS = re.compile(r"(?:ing|ed|es|s|ly)$")


def cases_with(root: Path, symptom: Symptom) -> dict[str, CaseSpec]:
    """Return what is declared about the cases of the corpus in `root` that have a symptom."""
    found = {}
    for name in contents_of(root).programs:
        declared = root / "cases" / f"{name}.toml"
        try:
            spec = read_case(declared) if declared.is_file() else None
        except SpecError:  # `lint` reports it
            continue
        if spec and symptom in spec.symptoms:
            found[name] = spec
    return found


def ranked(text: str, cases: Mapping[str, CaseSpec], order: Sequence[str]) -> list[str]:
    """Return the ids of the cases, the most likely one first.

    A case is likely if its page shares words with the text, and if people report its mistake
    often: then it is early in `order`, which contains ids.
    """
    place = {name: number for number, name in enumerate(order)}
    known = sorted(cases, key=lambda name: (place.get(name, len(place)), name))
    shared = _scores(words_of(text), cases)
    scores = {
        name: shared[name] + COMMON * (1 - number / len(cases)) for number, name in enumerate(known)
    }
    return sorted(known, key=lambda name: -scores[name])


def words_of(text: str) -> set[str]:
    """Return the words of a text without their endings: "losses" and "loss" are one word."""
    return {_ENDINGS.sub("", word) for word in _WORD.findall(text.lower())}


def _scores(asked: set[str], cases: Mapping[str, CaseSpec]) -> dict[str, float]:
    """Return the weight of the words that each case shares with a text; rare words weigh more."""
    prose = {name: words_of(_prose(spec)) for name, spec in cases.items()}
    titles = {name: words_of(f"{spec.title} {_apart(name)}") for name, spec in cases.items()}
    holders = Counter(word for name in cases for word in prose[name] | titles[name])
    rarity = {word: math.log((1 + len(cases)) / count) for word, count in holders.items()}
    return {
        name: sum(
            rarity[word] * (NAME if word in titles[name] else 1.0)
            for word in asked & (prose[name] | titles[name])
        )
        for name in cases
    }


def _apart(name: str) -> str:
    return name.replace("_", " ")


def _prose(spec: CaseSpec) -> str:
    return " ".join([*spec.hints, spec.why, spec.diagnose, spec.distinguish])
