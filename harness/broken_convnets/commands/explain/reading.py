"""Find the error message in a pasted text, and where it was raised.

The text may be a bare message, a traceback of Python, IPython or pytest, a log, or a question
that quotes one of them.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from broken_convnets.commands.explain.index import layer_places
from broken_convnets.corpus.wording import split
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from broken_convnets.observe.failure import Failure

LIMIT = 200_000  # characters that are read, from the end
LINES = 5_000  # of them, from the end
WIDTH = 2_000  # characters of a line
PROSE_LINES = 200  # that are tried as messages, from the end
CANDIDATES = 400  # messages at most, the last ones first
LENGTH = 2_000  # of one message
CONTINUATION = 16  # lines of one message
# How likely a line is the message, by the way in which it was found.
NAMED, INLINE, BEGINNING, PROSE = 1.0, 0.98, 0.97, 0.95

_NOISE = [
    re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"),  # colours
    re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"),  # control characters
    re.compile(r"^E {3,}"),  # pytest
    re.compile(r"^\s*\((?:\w+ )?pid=\d+[^)]*\)\s*"),  # ray
    re.compile(r"^\s*\[?(?:default|rank)_?\d+\]?:\s?"),  # torchrun
    re.compile(r"^\s*[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?[^\s\])]*[\])]?[\s,|:-]*"),
    re.compile(r"^\s*\[?\d\d:\d\d:\d\d[^\s\]]*\]?[\s,|:-]*"),
    re.compile(r"^\s*\[?(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\]?(?::[\w.]+:|[\s:|-]+)"),
    re.compile(r"^(?:>+ )+"),  # a quoted question
]
_FRAMES = (
    FRAME,
    re.compile(r"^File \[?(?P<file>[^\s:]+\.py):\d+\S*, in (?P<name>[\w.<>]+)"),  # IPython 8
    re.compile(r"^(?P<file>[^\s:]+\.py) in (?P<name>[\w.<>]+)\("),  # IPython before
    re.compile(r"^(?P<file>[^\s:]+\.py):\d+: ?(?:in (?P<name>\S+))?"),  # pytest
)
_SOURCE = re.compile(r"^(?:-+>\s*\d+\s|>\s{2,})(.*)")  # the marked line of IPython and pytest
_END = re.compile(
    r"^(?:Traceback \(most recent|During handling of|The above exception|-{3,}|={3,}|\^|~*\^)"
    r"|^\s*(?:Original Traceback|File [\"~/\[])"
    r"|^[`']{3}"
)
_INLINE = re.compile(
    r"(?P<quote>[\"'`\u201c\u2018]?)(?<![\w.])(?:[a-z_]\w*\.)*"
    r"(?P<raises>[A-Z]\w*(?:Error|Exception|Warning|Node))\b(?P<rest>:?\s+\S.*)"
)
_CLOSING = {"\u201c": "\u201d", "\u2018": "\u2019"}
_OPERATOR = re.compile(r"(?:[\w.]*(?:::|\.))?([A-Za-z_]\w*)")
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(|\.([A-Za-z_]\w*)")


class Candidate(Struct, frozen=True):
    """A line that may be the error message; `trust` is at most 1."""

    raises: str  # empty where no class was named
    message: str
    trust: float


class Reading(Struct, frozen=True):
    """The candidates, and `places`: names of torch's files, functions and calls."""

    candidates: list[Candidate]
    places: frozenset[str]


class ErrorFacts(Struct, frozen=True):
    """An exception that was caught, and where it was raised: what a traceback says, as data."""

    raises: str  # the class, without its module
    message: str
    expression: str = ""  # source text of the failing expression
    layer: str = ""  # class of the innermost layer that failed
    operator: str = ""  # the torch function that raised: "conv2d", or "aten::conv2d"


def facts_of(failure: Failure) -> str | ErrorFacts:
    """Return an exception as data; the one of a worker process has a traceback in its message."""
    if "DataLoader worker process" in failure.message:
        return failure.traceback
    operator = failure.operator.partition("(")[0].rpartition(".")[2]
    return ErrorFacts(
        failure.type, failure.message, failure.expression, failure.layer_type, operator
    )


def from_facts(error: ErrorFacts) -> Reading:
    """Return the reading of a caught exception: its message, and where it was raised."""
    places = {*layer_places(error.layer), *map(str.lower, called(error.expression))}
    operator = _OPERATOR.match(error.operator)
    if operator:
        places.add(operator[1].lower())
    message = error.message.strip()[:LENGTH]
    first_line = message.partition("\n")[0]
    candidates = [
        Candidate(error.raises, message, NAMED),
        Candidate(error.raises, first_line, BEGINNING),
    ]
    return Reading(candidates[: 1 + (first_line != message)], frozenset(places))


def tail(stream: BinaryIO) -> str:
    """Return the last LIMIT characters of a stream of any length; invalid UTF-8 is replaced.

    It reads by line, because on a terminal `read` would need a second Ctrl-D.
    """
    most = 4 * LIMIT  # bytes: a character has at most four
    kept = bytearray()
    while line := stream.readline(LIMIT):
        kept += line
        if len(kept) > 2 * most:
            del kept[:-most]
    return kept[-most:].decode("utf-8", errors="replace")[-LIMIT:]


def read(text: str) -> Reading:
    """Read a pasted text; only its last LIMIT characters count."""
    lines = [_clean(line[:WIDTH]) for line in text[-LIMIT:].splitlines()[-LINES:]]
    asserted = _asserted(lines)
    candidates = [*_named(lines), *_inline(lines)]
    if asserted:  # the exception after a CUDA assertion only says that one failed
        candidates = [*asserted, *(structs.replace(item, trust=PROSE) for item in candidates)]
    if not candidates:
        candidates = _prose(lines)
    return Reading(list(dict.fromkeys(candidates))[:CANDIDATES], _places(lines))


def _clean(line: str) -> str:
    for noise in _NOISE:
        line = noise.sub("", line)
    return line.rstrip()


def _named(lines: list[str]) -> list[Candidate]:
    """Return the messages of lines that begin with an exception's class, the last one first.

    The lines below may continue the message or be prose, so both readings are candidates.
    """
    found = []
    for index, line in enumerate(lines):
        raises, message = split(line)
        if not raises or message[:1] == "(":  # a call in source code
            continue
        found += [
            Candidate(raises, "\n".join([message, *more]).strip()[:LENGTH], NAMED)
            for more in (
                _continued(lines[index + 1 : index + 1 + CONTINUATION], blank=blank)
                for blank in (True, False)
            )
        ]
        found.append(Candidate(raises, message[:LENGTH], BEGINNING))
    return found[::-1]


def _continued(lines: list[str], *, blank: bool) -> list[str]:
    """Return the lines that may continue a message; `blank` lines may be part of it."""
    more = []
    for line in lines:
        if _END.search(line) or split(line)[0] or not (line.strip() or blank):
            break
        more.append(line)
    return more


def _inline(lines: list[str]) -> list[Candidate]:
    """Return the messages after a class in the middle of a line, up to the closing quote."""
    found = []
    for line in lines:
        match = _INLINE.search(line)
        if match is None or split(line)[0]:
            continue
        message = match["rest"].lstrip(": ")
        if quote := match["quote"]:
            message = message.partition(_CLOSING.get(quote, quote))[0]
        found.append(Candidate(match["raises"], message[:LENGTH], INLINE))
    return found[::-1]


def _asserted(lines: list[str]) -> list[Candidate]:
    """Return the last line that a failed assertion of a CUDA kernel printed."""
    found = [line for line in lines if "Assertion" in line and not split(line)[0]]
    return [Candidate("", line[:LENGTH], NAMED) for line in found[-1:]]


def _prose(lines: list[str]) -> list[Candidate]:
    """Return lines, pairs of lines and parts of lines, for a text without an exception's class."""
    found = [line.strip() for line in _without_frames(lines) if line.strip()][-PROSE_LINES:]
    pairs = [f"{one} {two}" for one, two in pairwise(found)]
    parts = [line[match.end() :] for line in found for match in re.finditer(r"[:\"`>]\s*", line)]
    return [
        Candidate("", text[:LENGTH], PROSE)
        for text in (*found, *pairs, *parts[:PROSE_LINES])
        if text
    ]


def _without_frames(lines: list[str]) -> Iterator[str]:
    """Yield all lines except a traceback's frames and the source text below them."""
    depth = math.inf
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if _FRAMES[0].match(line.strip()):
            depth = indent
        elif indent <= depth:
            depth = math.inf
            yield line


def _places(lines: list[str]) -> frozenset[str]:
    """Return torch's files and functions in the traceback, and the calls in the failing line."""
    places: set[str] = set()
    calls: set[str] = set()
    for index, line in enumerate(lines):
        frame = next(filter(None, (pattern.search(line.strip()) for pattern in _FRAMES)), None)
        if marked := _SOURCE.match(line.strip()):
            calls = called(marked[1])
        if frame is None:
            continue
        parts = re.split(r"[/\\]", frame["file"])
        if "torch" in parts or "torchvision" in parts:
            places.add(parts[-1].removesuffix(".py"))
            places.update((frame["name"] or "").split("."))
        elif index + 1 < len(lines) and "site-packages" not in line:
            calls = called(lines[index + 1]) or calls
    return frozenset(place.lower() for place in places | calls if place)


def called(source: str) -> set[str]:
    """Return the names that a line of source text calls, and the attributes that it reads."""
    return {name for pair in _CALLED.findall(source) for name in pair if name}
