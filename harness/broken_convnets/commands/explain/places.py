"""Find where an exception was raised: files and functions of torch, and calls of the program."""

from __future__ import annotations

import re
from itertools import pairwise

from broken_convnets.util.traceback_text import FRAME

FRAMES = (
    FRAME,
    re.compile(r"^File \[?(?P<file>[^\s:]+\.py):\d+\S*, in (?P<name>[\w.<>]+)"),  # IPython 8
    re.compile(r"^(?P<file>[^\s:]+\.py) in (?P<name>[\w.<>]+)\("),  # IPython before
    re.compile(r"^(?P<file>[^\s:]+\.py):\d+ in (?P<name>[\w.<>]+)"),  # rich
    re.compile(r"^(?P<file>[^\s:]+\.py):\d+: ?(?:in (?P<name>\S+))?"),  # pytest
)
SOURCE = re.compile(r"^(?:-+>\s*\d+\s|>\s{2,}|\u2771\s*\d+\s)(.*)")  # IPython, pytest and rich
CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(|\.([A-Za-z_]\w*)")
LIBRARIES = {"torch", "torchvision"}
DATA = {"__getitem__", "collate_fn"}  # functions of a program that a DataLoader calls


def places_in(lines: list[str]) -> frozenset[str]:
    """Return the places that a traceback names, in lower case.

    They are torch's files and functions, functions of the program that load data, and the calls
    and attributes in the failing line.
    """
    places: set[str] = set()
    calls: set[str] = set()
    for line, below in pairwise([*lines, ""]):
        frame = next(filter(None, (pattern.search(line.strip()) for pattern in FRAMES)), None)
        if marked := SOURCE.match(line.strip()):
            calls = called(marked[1])
        if frame is None:
            continue
        names = (frame["name"] or "").split(".")
        places.update(DATA.intersection(names))
        parts = re.split(r"[/\\]", frame["file"])
        if LIBRARIES.intersection(parts):
            places.add(parts[-1].removesuffix(".py"))
            places.update(names)
        elif "site-packages" not in line:
            calls = called(below) or calls
    return frozenset(place.lower() for place in places | calls if place)


def called(source: str) -> set[str]:
    """Return the names that a line of source text calls, and the attributes that it reads."""
    return {name for pair in CALLED.findall(source) for name in pair if name}
