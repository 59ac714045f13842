"""Find the error message in a pasted text.

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
from broken_convnets.commands.explain.pasted import lines_of
from broken_convnets.commands.explain.places import FRAMES, called, places_in
from broken_convnets.corpus.wording import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.failure import Failure

PROSE_LINES = 200  # that are tried as messages, from the end
CANDIDATES = 400  # messages at most, the last ones first
LENGTH = 2_000  # of one message
CONTINUATION = 16  # lines of one message
# How likely a line is the message, by the way in which it was found.
NAMED, INLINE, BEGINNING, PROSE = 1.0, 0.98, 0.97, 0.95
EARLIER = 0.9  # the same for each exception before the last one, as a factor

END = re.compile(
    r"^(?:Traceback \(most recent|During handling of|The above exception|-{3,}|={3,}|\^|~*\^)"
    r"|^\s*(?:Original Traceback|File [\"~/\[])|\.py:\d+: \w*Warning: "
    r"|^[`']{3}"
)
INLINE_CLASS = re.compile(
    r"(?P<quote>[\"'`\u201c\u2018]?)(?<![\w.])(?:[a-z_]\w*\.)*"
    r"(?P<raises>[A-Z]\w*(?:Error|Exception|Warning|Node))\b(?P<rest>:?\s+\S.*)"
)
# An exception as `repr` writes it, and the line before the message of a compiled region.
REPR = re.compile(r"(?<!raise )\b([A-Z]\w*(?:Error|Exception))\(([\"'])(.{8,}?)(?:\2\)|$)")
COMPILED = re.compile(r"^(?:Failed running|Dynamo failed to run)\b.*:$")
HARMLESS = ("Warning", "Interrupt", "Exit")  # endings of names that are not crashes
CLOSING = {"\u201c": "\u201d", "\u2018": "\u2019"}
_OPERATOR = re.compile(r"(?:[\w.]*(?:::|\.))?([A-Za-z_]\w*)")


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
    found = _of_one(error.raises, error.message.strip().split("\n"))
    return Reading(list(dict.fromkeys(found)), frozenset(places))


def read(text: str) -> Reading:
    """Read a pasted text; only its last characters count (see `pasted`)."""
    lines = lines_of(text)
    asserted = _asserted(lines)
    candidates = _without_warnings([*_named(lines), *_inline(lines)])
    if asserted:  # the exception after a CUDA assertion only says that one failed
        candidates = [*asserted, *(structs.replace(item, trust=PROSE) for item in candidates)]
    if not candidates:
        candidates = _prose(lines)
    return Reading(list(dict.fromkeys(candidates))[:CANDIDATES], places_in(lines))


def _without_warnings(candidates: list[Candidate]) -> list[Candidate]:
    """Return the exceptions, or all candidates if all of them are warnings."""
    crashes = [item for item in candidates if not item.raises.endswith(HARMLESS)]
    return crashes or candidates


def _named(lines: list[str]) -> list[Candidate]:
    """Return the messages of lines that begin with an exception's class, the last one first."""
    found: list[list[Candidate]] = []
    for index, line in enumerate(lines):
        raises, message = split(line)
        if raises and message[:1] != "(":  # not a call in source code
            below = lines[index + 1 : index + 1 + CONTINUATION]
            found.append(_of_one(raises, [message, *below]))
    crashes = [index for index, items in enumerate(found) if _is_crash(items[0])]
    last = crashes[-1] if crashes else len(found)
    for index in range(last):
        found[index] = [structs.replace(item, trust=item.trust * EARLIER) for item in found[index]]
    return [item for items in reversed(found) for item in items]


def _is_crash(candidate: Candidate) -> bool:
    return not candidate.raises.endswith(HARMLESS)


def _of_one(raises: str, lines: list[str]) -> list[Candidate]:
    """Return the readings of one message, from its first line and the lines below it.

    The lines below may continue the message or be prose. A first line that ends with a colon
    is not the whole message.
    """
    first, below = lines[0], lines[1:]
    found = []
    for blank in (False, True):
        more = _continued(below, blank=blank)
        found.append(Candidate(raises, "\n".join([first, *more]).strip()[:LENGTH], NAMED))
    if not first.rstrip().endswith(":") or not _continued(below, blank=False):
        found.append(Candidate(raises, first.strip()[:LENGTH], BEGINNING))
    if COMPILED.search(first.strip()):  # the message of the operator is below
        found += [Candidate("", line.strip()[:LENGTH], NAMED) for line in below[:2] if line]
    return found


def _continued(lines: list[str], *, blank: bool) -> list[str]:
    """Return the lines that may continue a message; `blank` lines may be part of it."""
    more = []
    for line in lines:
        if END.search(line) or split(line)[0] or not (line.strip() or blank):
            break
        more.append(line)
    return more


def _inline(lines: list[str]) -> list[Candidate]:
    """Return the messages after a class in the middle of a line, up to the closing quote."""
    found = []
    for index, line in enumerate(lines):
        found += [
            Candidate(written[1], written[3][:LENGTH], INLINE) for written in REPR.finditer(line)
        ]
        match = INLINE_CLASS.search(line)
        if match is None or split(line)[0]:
            continue
        below = lines[index + 1 : index + 1 + CONTINUATION]
        end = CLOSING.get(match["quote"], match["quote"])
        for item in _of_one(match["raises"], [match["rest"].lstrip(": "), *below]):
            message = item.message.partition(end)[0] if end else item.message
            found.append(structs.replace(item, message=message, trust=item.trust * INLINE))
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
        if FRAMES[0].match(line.strip()):
            depth = indent
        elif indent <= depth:
            depth = math.inf
            yield line
