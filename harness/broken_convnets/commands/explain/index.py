"""The index of known messages: the features of each message, and how rare each feature is."""

from __future__ import annotations

import math
import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.explain.numbers import tags
from broken_convnets.commands.explain.places import called
from broken_convnets.corpus.guides import load_guides
from broken_convnets.corpus.wording import SPELLINGS, TYPES, split, wording
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.verdicts.messages import Message

# The file of torch that defines a layer's forward, by a part of the layer's name.
TORCH_FILES = {
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
# Where data are loaded: functions of the program, and files of torch.utils.data.
LOADER_PLACES = {"__getitem__", "collate_fn", "fetch", "collate", "worker"}
ATTRIBUTES = {"bias", "grad", "weight"}  # that say which None it is
# Messages that Python and NumPy raise in any program: their features count as if COMMON more
# cases had them.
COMMON = 150
COMMON_MESSAGES = (
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
_OUTERMOST = re.compile(r"[\w.]*?(\w+)(?:\(|$)")
# Names that do not separate mistakes: of a program's own layers, and prefixes in torch.
OWN_NAMES = (
    (re.compile(r"loading state_dict for [\w.]+"), "loading state_dict for"),
    (re.compile(r'in state_dict: "[^"]*"(?:, ?"[^"]*")*'), "in state_dict"),
    (re.compile(r"size mismatch for [\w.#]+:"), "size mismatch for"),
    (re.compile(r"\bwrapper_(?:cuda)?_*"), ""),  # as in wrapper_CUDA_addmm and wrapper_addmm
)
_BEGINNING = re.compile(r"(?:.{40,}?(?=[.:]\s)|.*)")
SHAPE = re.compile(r"#(?:\s*[,x]\s*#)+")
WORD = re.compile(r"shape\d|\d+(?=-dimensional)|\dd\b|[a-z_][a-z_0-9]*", re.ASCII)


class Document(Struct, frozen=True):
    """A message of a case or guide. `own`: the case's program raised it, or declares it."""

    id: str
    raises: str
    message: str
    own: bool
    places: list[str]  # torch's file of the failing layer, its class, the outermost call
    features: list[str]


class Index(Struct, frozen=True):
    """All documents, and the number of cases that have each feature."""

    cases: list[str]  # the order of cases with equal scores
    counts: dict[str, int]
    documents: list[Document]

    @property
    def unknown(self) -> float:
        """The rarity of a feature that no document has."""
        return math.log(len(self.cases) + 1 + COMMON)

    def rarity(self, feature: str) -> float | None:
        """Return how rare a feature is; None if no document has it."""
        count = self.counts.get(feature)
        return None if count is None else math.log((len(self.cases) + 1 + COMMON) / count)


def words(text: str) -> list[str]:
    """Return a message's words, with shapes and dtypes in one spelling."""
    text = wording(text).lower()
    for pattern, replacement in (*SPELLINGS, *OWN_NAMES):
        text = pattern.sub(replacement, text)
    text = SHAPE.sub(lambda shape: f"shape{min(shape[0].count('#'), 9)}", text)
    return [TYPES.get(word, word) for word in WORD.findall(text)]


def features(raises: str, message: str) -> list[str]:
    """Return what is compared: words, pairs of neighboring words, the class, and tags."""
    found = words(message)
    pairs = [f"{one} {two}" for one, two in pairwise(found)]
    named = [f"class:{raises}"] if raises else []
    return list(dict.fromkeys([*found, *pairs, *named, *(f"is:{tag}" for tag in tags(message))]))


def build(messages: Mapping[str, Sequence[Message]]) -> Index:
    """Return the index of each case's messages; cases with equal scores keep this order.

    The beginning of a long message is a document too, since many people quote no more.
    """
    features_of = cache(features)  # many cases have the same message
    documents = [
        Document(
            name,
            message.raises,
            text,
            message.source != "listed",
            _places(message) or _all_places(messages[name]),
            features_of(message.raises, text),
        )
        for name in sorted(messages)
        for message in messages[name]
        for text in _with_beginning(message.message)
    ]
    return Index(list(messages), _counts(documents), documents)


def _with_beginning(message: str) -> Iterable[str]:
    return dict.fromkeys((message, *_BEGINNING.findall(message.strip())[:1]))


def _counts(documents: list[Document]) -> dict[str, int]:
    holders: dict[str, set[str]] = {}
    for document in documents:
        for feature in document.features:
            holders.setdefault(feature, set()).add(document.id)
    common = {feature for line in COMMON_MESSAGES for feature in features(*split(line))}
    return {
        feature: len(holders[feature]) + COMMON * (feature in common) for feature in sorted(holders)
    }


def _all_places(messages: Sequence[Message]) -> list[str]:
    """Return the places of a case's other messages: where its message without a place belongs."""
    return sorted({place for message in messages for place in _places(message)})


def _places(message: Message) -> list[str]:
    outermost = _OUTERMOST.match(message.expression)
    places = layer_places(message.layer)
    if outermost and not message.expression.startswith("self."):
        places.add(outermost[1].lower())
    places |= ATTRIBUTES & called(message.expression)
    if message.stage == Stage.INPUTS:
        places |= LOADER_PLACES
    return sorted(places)


def layer_places(layer: str) -> set[str]:
    """Return a layer's class and the file of torch that defines it, in lower case."""
    name = layer.lower()
    return {name, *(file for part, file in TORCH_FILES.items() if part in name)} - {""}


def index_of(corpus: Corpus) -> Index:
    """Build the index of a corpus; raises RecordError and CorpusError for damaged files."""
    from broken_convnets.verdicts.messages import known  # noqa: PLC0415  (slower than the file)

    return build({**known(corpus), **_of_guides(corpus)})


def _of_guides(corpus: Corpus) -> dict[str, list[Message]]:
    from broken_convnets.verdicts.messages import Message  # noqa: PLC0415  (likewise)

    return {
        name: [Message(*split(other.message), source="listed") for other in guide.spec.messages]
        for name, guide in load_guides(corpus.root).valid.items()
    }
