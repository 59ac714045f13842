"""Rank cases by how similar their messages are to an error: pure, on plain data.

docs/explain.md specifies the ranking, since the site does the same in JavaScript. An index is
what JSON can hold; scores are rounded before they are compared.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.explain.index import features
from broken_convnets.commands.explain.reading import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.commands.explain.index import Document, Index
    from broken_convnets.commands.explain.reading import Reading

DIGITS = 6  # of a score
# Words that only torch uses, and people who write about it: other libraries have tensors too.
OURS = re.compile(
    r"torch\.|pytorch|[a-z]tensor\b|mat[12]\b|\bm[12]:|conv\w*\dd\(|batch_?norm|batch_size|state_dict"
    r"|autograd|in-?place|backward|contiguous|criterion|log_softmax|cross_entropy|\bgrad\b"
    r"|parameter list",
    re.ASCII,
)


class Weights(Struct, frozen=True):
    """The parameters of the ranking, chosen by cross-validation."""

    pair: float = 0.15  # of a pair of words, as a factor of its rarity
    raises: float = 0.25  # of the exception's class, likewise
    tag: float = 1.5  # of a tag, as a factor of the rarity of an unknown word
    unknown: float = 1.0  # of a word that no document has, likewise
    surplus: float = 0.5  # of features that only the text has
    missing: float = 0.9  # of features that only the document has
    place: float = 0.1  # how much of the score is lost if no place agrees
    threshold: float = 0.4  # the lowest score of an answer
    near: float = 0.2  # the same, if the text uses a word of torch
    close: float = 0.7  # the lowest score of a further answer, as a factor of the best one


class Rank(Struct, frozen=True):
    """A similar case: its score, and the document and candidate that it rests on."""

    id: str
    score: float
    own: bool
    candidate: Candidate


def rank(index: Index, reading: Reading, weights: Weights) -> list[Rank]:
    """Return the cases that are similar to what was read, best first, with scores from 0 to 1.

    Cases that are much less similar than the best one are left out. A case counts by its best
    document, a text by its best candidate. Of equal scores, cases that raised the message
    themselves come first, then the order of `index.cases`.
    """
    weigh = cache(lambda feature: _weight(feature, index, weights))
    size = cache(lambda number: _sizes(index.documents[number], weigh))
    asked = [features(candidate.raises, candidate.message) for candidate in reading.candidates]
    holders = _holders(index, {feature for found in asked for feature in found})
    best: dict[str, Rank] = {}
    for candidate, found in zip(reading.candidates, asked, strict=True):
        least = weights.near if OURS.search(candidate.message.lower()) else weights.threshold
        total = sum(map(weigh, found))
        for number, shared in _shared(found, holders, weigh).items():
            if round(candidate.trust * _likeness(shared, total, shared, weights), DIGITS) < least:
                continue  # even if the document had nothing else: its size takes time to compute
            document = index.documents[number]
            likeness = _likeness(shared, total, size(number)[bool(candidate.raises)], weights)
            score = candidate.trust * likeness
            if elsewhere(document, reading):
                score *= 1 - weights.place
            found_here = Rank(document.id, round(score, DIGITS), document.own, candidate)
            if found_here.score >= least and _is_better(found_here, best.get(document.id)):
                best[document.id] = found_here
    order = {name: place for place, name in enumerate(index.cases)}
    ranked = sorted(best.values(), key=lambda item: (-item.score, not item.own, order[item.id]))
    return [item for item in ranked if item.score >= weights.close * ranked[0].score]


def _is_better(one: Rank, other: Rank | None) -> bool:
    return other is None or (one.score, one.own) > (other.score, other.own)


def _holders(index: Index, asked: set[str]) -> dict[str, list[int]]:
    """Return the numbers of the documents that have a feature, for the features asked for."""
    found: dict[str, list[int]] = {}
    for number, document in enumerate(index.documents):
        for feature in document.features:
            if feature in asked:
                found.setdefault(feature, []).append(number)
    return found


def _shared(
    found: Iterable[str], holders: dict[str, list[int]], weigh: Callable[[str], float]
) -> dict[int, float]:
    """Return the weight of what each document shares with the features found."""
    shared: dict[int, float] = {}
    for feature in found:
        for number in holders.get(feature, ()):
            shared[number] = shared.get(number, 0.0) + weigh(feature)
    return shared


def elsewhere(document: Document, reading: Reading) -> bool:
    """Return whether both have known places and share none."""
    known = bool(reading.places and document.places)
    return known and not reading.places.intersection(document.places)


def _sizes(document: Document, weigh: Callable[[str], float]) -> tuple[float, float]:
    """Return the weight of a document without the exception's class, and with it."""
    total = sum(map(weigh, document.features))
    of_class = sum(weigh(name) for name in document.features if name.startswith("class:"))
    return total - of_class, total


def _likeness(common: float, text: float, document: float, weights: Weights) -> float:
    """Return Tversky's index of two weighted sets, from the weights of both and of their overlap.

    0 for no overlap.
    """
    if common <= 0:
        return 0.0
    surplus, missing = text - common, document - common
    return common / (common + weights.surplus * surplus + weights.missing * missing)


def _weight(feature: str, index: Index, weights: Weights) -> float:
    rarity = index.rarity(feature)
    if feature.startswith("class:"):
        return weights.raises * (index.unknown if rarity is None else rarity)
    if feature.startswith("is:"):
        return weights.tag * index.unknown
    if " " in feature:
        return weights.pair * (rarity or 0.0)
    return weights.unknown * index.unknown if rarity is None else rarity
