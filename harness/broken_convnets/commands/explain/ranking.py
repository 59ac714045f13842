"""Rank cases by how much their messages have in common with a text: pure, on plain data.

The same is done in other languages, so nothing here depends on Python: docs/explain.md
specifies it. An index is what JSON can hold; scores are rounded before they are compared.
"""

from __future__ import annotations

import math
import re
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.explain.numbers import tags
from broken_convnets.commands.explain.reading import Candidate
from broken_convnets.corpus.wording import SPELLINGS, TYPES, split, wording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from broken_convnets.commands.explain.reading import Reading
    from broken_convnets.corpus.messages import Message

DIGITS = 6  # of a score

# The file of torch where a layer's forward is.
FILES = {
    "conv": "conv",
    "linear": "linear",
    "norm": "batchnorm",
    "pool": "pooling",
    "loss": "loss",
    "relu": "activation",
    "sigmoid": "activation",
    "softmax": "activation",
    "sequential": "container",
    "modulelist": "container",
    "flatten": "flatten",
}
# What Python and NumPy say of any program tells little of a network: its words count as if so
# many other cases had them.
COMMON = 150
PYTHON = (
    "AttributeError: 'str' object has no attribute 'x'",
    "AttributeError: module 'x' has no attribute 'x'",
    "IndexError: index 3 is out of bounds for axis 0 with size 3",
    "IndexError: list index out of range",
    "KeyError: 'x'",
    "TypeError: 'int' object is not callable",
    "TypeError: 'int' object is not iterable",
    "TypeError: 'int' object is not subscriptable",
    'TypeError: can only concatenate str (not "int") to str',
    "TypeError: expected str, bytes or os.PathLike object, not int",
    "TypeError: f() got an unexpected keyword argument 'x'",
    "TypeError: f() missing 1 required positional argument: 'x'",
    "TypeError: f() takes 1 positional argument but 2 were given",
    "TypeError: object of type 'int' has no len()",
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    "ValueError: The truth value of an array with more than one element is ambiguous.",
    "ValueError: could not convert string to float: 'x'",
    "ValueError: not enough values to unpack (expected 2, got 1)",
)
# Words that only torch says, or people about it: TensorFlow and ONNX have tensors and layers too.
OURS = re.compile(
    r"torch\.|pytorch|[a-z]tensor\b|mat[12]\b|\bm[12]:|conv\w*\dd\(|batch_?norm|batch_size|state_dict"
    r"|autograd|in-?place|backward|contiguous|criterion|log_softmax|cross_entropy|\bgrad\b"
    r"|parameter list",
    re.ASCII,
)
_OUTERMOST = re.compile(r"[\w.]*?(\w+)(?:\(|$)")
_BEGINNING = re.compile(r"(?:.{40,}?(?=[.:]\s)|.*)")
_SHAPE = re.compile(r"#(?:\s*[,x]\s*#)+")
_WORD = re.compile(r"shape\d|\d+(?=-dimensional)|\dd\b|[a-z_][a-z_0-9]*", re.ASCII)


class Weights(Struct, frozen=True):
    """What was chosen by cross-validation: see docs/explain.md."""

    pair: float = 0.15  # two words side by side, in units of their rarity
    raises: float = 0.25  # the exception's class, likewise
    tag: float = 1.5  # what the numbers say, in units of the rarest word
    unknown: float = 1.0  # a word that no message has, likewise
    surplus: float = 0.5  # what only the text has
    missing: float = 0.9  # what only the message has
    place: float = 0.1  # of the score, where it came up elsewhere
    threshold: float = 0.4  # below it, nothing is like the text
    near: float = 0.2  # the same, where the text plainly speaks of torch


class Document(Struct, frozen=True):
    """One message of a case: its features and the places where it comes up.

    It is `usual` where the case itself gave it, and not another program with the same mistake.
    """

    id: str
    features: list[str]
    places: list[str]
    usual: bool = True


class Rank(Struct, frozen=True):
    """How like the text a case is, and which candidate and sort of message that rests on."""

    id: str
    score: float
    usual: bool
    candidate: Candidate


class Index(Struct, frozen=True):
    """All messages, and how rare each feature is: its weight."""

    documents: list[Document]
    rarity: dict[str, float]
    unknown: float  # the rarity of what no message has


def words(text: str) -> list[str]:
    """Return a message's words, with shapes and types of numbers in one spelling."""
    text = wording(text).lower()
    for pattern, replacement in SPELLINGS:
        text = pattern.sub(replacement, text)
    text = _SHAPE.sub(lambda shape: f"shape{min(shape[0].count('#'), 9)}", text)
    return [TYPES.get(word, word) for word in _WORD.findall(text)]


def features(raises: str, says: str) -> list[str]:
    """Return what is compared: words, neighbouring words, the class, what the numbers say."""
    told = words(says)
    pairs = [f"{one} {two}" for one, two in pairwise(told)]
    named = [f"class:{raises}"] if raises else []
    return list(dict.fromkeys([*told, *pairs, *named, *(f"is:{tag}" for tag in tags(says))]))


def build(messages: Mapping[str, Sequence[Message]]) -> Index:
    """Make an index of each case's messages, of equal ones in the order of `messages`.

    The beginning of a long message counts as a message too, since many quote no more. A message
    of which the place is not known is expected where the others of its case come up.
    """
    told = cache(features)  # of cases that say the same
    usual = {
        name: sorted({place for message in known for place in _places(message)})
        for name, known in messages.items()
    }
    documents = [
        Document(
            name,
            told(message.raises, says),
            _places(message) or usual[name],
            message.source != "seen",
        )
        for name, known in messages.items()
        for message in known
        for says in dict.fromkeys(
            (message.message, *_BEGINNING.findall(message.message.strip())[:1])
        )
    ]
    holders: dict[str, set[str]] = {}
    for document in documents:
        for feature in document.features:
            holders.setdefault(feature, set()).add(document.id)
    total = len(messages) + 1 + COMMON
    common = {feature for line in PYTHON for feature in features(*split(line))}
    rarity = {
        feature: math.log(total / (len(names) + COMMON * (feature in common)))
        for feature, names in holders.items()
    }
    return Index(documents, rarity, math.log(total))


def _places(message: Message) -> list[str]:
    """Return the torch file of the layer that failed, and the outermost call."""
    layer = message.layer.lower()
    places = {layer, *(file for part, file in FILES.items() if part in layer)}
    outermost = _OUTERMOST.match(message.expression)
    if outermost and not message.expression.startswith("self."):
        places.add(outermost[1].lower())
    return sorted(places - {""})


def rank(index: Index, reading: Reading, weights: Weights) -> list[Rank]:
    """Return the cases that are like the text, best first, with scores from 0 to 1.

    A case counts by its best message, a text by its best candidate. Of equal scores the cases
    whose usual message it is come first, then those that the index has first.
    """
    holders: dict[str, list[int]] = {}
    for number, document in enumerate(index.documents):
        for feature in document.features:
            holders.setdefault(feature, []).append(number)
    weigh = cache(partial(_weight, index=index, weights=weights))  # most features are shared
    sizes = [_sizes(document, weigh) for document in index.documents]
    best: dict[str, Rank] = {}
    for candidate in reading.candidates:
        told = {name: weigh(name) for name in features(candidate.raises, candidate.message)}
        total, shared = sum(told.values()), dict[int, float]()
        least = weights.near if OURS.search(candidate.message.lower()) else weights.threshold
        for feature, weight in told.items():
            for number in holders.get(feature, ()):
                shared[number] = shared.get(number, 0.0) + weight
        for number, common in shared.items():
            document, size = index.documents[number], sizes[number][bool(candidate.raises)]
            score = candidate.trust * _likeness(common, total, size, weights)
            if elsewhere(document, reading):
                score *= 1 - weights.place
            score = round(score, DIGITS)
            former = best.get(document.id)
            better = former is None or (score, document.usual) > (former.score, former.usual)
            if score >= least and better:
                best[document.id] = Rank(document.id, score, document.usual, candidate)
    order = {document.id: place for place, document in enumerate(index.documents)}
    return sorted(best.values(), key=lambda item: (-item.score, not item.usual, order[item.id]))


def elsewhere(document: Document, reading: Reading) -> bool:
    """Whether both are known to come up in places, and share none."""
    known = bool(reading.places and document.places)
    return known and not reading.places.intersection(document.places)


def _sizes(document: Document, weigh: Callable[[str], float]) -> tuple[float, float]:
    """Return what a message's features weigh without the exception's class, and with it."""
    named = sum(map(weigh, document.features))
    of_class = sum(weigh(name) for name in document.features if name.startswith("class:"))
    return named - of_class, named


def _likeness(common: float, text: float, message: float, weights: Weights) -> float:
    """Return Tversky's index of two weighted sets, by the weights of what they share and hold."""
    if common <= 0:
        return 0.0
    surplus, missing = text - common, message - common
    return common / (common + weights.surplus * surplus + weights.missing * missing)


def _weight(feature: str, index: Index, weights: Weights) -> float:
    """Return how much a feature counts: its rarity, by its sort."""
    rarity = index.rarity.get(feature)
    if feature.startswith("class:"):
        return weights.raises * (index.unknown if rarity is None else rarity)
    if feature.startswith("is:"):
        return weights.tag * index.unknown
    if " " in feature:
        return weights.pair * (rarity or 0.0)
    return weights.unknown * index.unknown if rarity is None else rarity
