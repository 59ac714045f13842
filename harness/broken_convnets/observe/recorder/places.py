"""Where a program is: which files are the user's own, and the exact expression a frame runs."""

from __future__ import annotations

import linecache
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.recorder.patches import is_recorder_code
from broken_convnets.observe.user_program import UserProgram
from broken_convnets.util.environment import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

PLACES = 6  # that are kept of one stack, the innermost first
TORCH = str(Path(torch.__file__).parent)
_PATHS = sysconfig.get_paths()
STANDARD_LIBRARY = tuple(f"{_PATHS[name]}/" for name in ("stdlib", "platstdlib"))
COMMANDS = f"{_PATHS['scripts']}/"  # `broken-convnets`, `pytest`
LIBRARIES = (f"{TORCH}/", f"{PACKAGE}/", *STANDARD_LIBRARY, COMMANDS)
OUTERMOST = UserProgram.run.__code__  # what called it is not the program
INSTALLED = ("/site-packages/", "/dist-packages/")
STATEMENT = re.compile(rb"(async +)?(for|with)\b")
INTERACTIVE = ("<stdin>", "<ipython-input")


@dataclass(frozen=True, slots=True)
class Place:
    """An expression in a file. Lines count from 1; columns are offsets in bytes, from 0."""

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str

    @property
    def text(self) -> str:
        """The source text of the expression on one line; empty if the file does not exist."""
        return source_text(self, linecache.getlines(self.file))


def source_text(place: Place, lines: list[str]) -> str:
    """Return the text of `place` in a file of these lines, its line breaks as spaces.

    Python places the next item of a loop at the whole statement; its first line is enough.
    """
    chosen = [line.rstrip("\n").encode() for line in lines[place.line - 1 : place.end_line]]
    if len(chosen) <= place.end_line - place.line:
        return ""
    if len(chosen) > 1 and STATEMENT.match(chosen[0], place.column):
        return chosen[0].decode(errors="replace").strip()
    chosen[-1] = chosen[-1][: place.end_column]
    chosen[0] = chosen[0][place.column :]
    return " ".join(b" ".join(chosen).decode(errors="replace").split())


def is_library_file(name: str) -> bool:
    """Return whether the file of a code object is of an installed library other than torch."""
    path = name.replace("\\", "/")
    return any(part in path for part in INSTALLED) and not path.startswith(f"{TORCH}/")


_is_users: dict[str, bool] = {}


def is_user_file(name: str) -> bool:
    """Return whether the file of a code object is the user's: no library's and not Python's."""
    known = _is_users.get(name)
    if known is None:
        path = name.replace("\\", "/")
        library = path.startswith(LIBRARIES) or any(part in path for part in INSTALLED)
        known = name.startswith(INTERACTIVE) or not (library or name.startswith("<"))
        _is_users[name] = known
    return known


def user_places(frame: FrameType | None, limit: int = PLACES) -> tuple[Place, ...]:
    """Return the places of the user's own code on a stack, the innermost first."""
    return tuple(place_of(found) for found in user_frames(frame, limit))


def user_frames(frame: FrameType | None, limit: int = PLACES) -> Iterator[FrameType]:
    """Yield the frames of the user's own code on a stack, the innermost first."""
    while frame is not None and limit:
        code = frame.f_code
        if code is OUTERMOST:
            return
        is_users = _is_users.get(code.co_filename)  # this loop runs for every operator
        if is_users is None:
            is_users = is_user_file(code.co_filename)
        if is_users and not is_recorder_code(code):
            yield frame
            limit -= 1
        frame = frame.f_back


_places: dict[tuple[int, int], tuple[CodeType, Place]] = {}  # the code keeps its id in use


def place_of(frame: FrameType) -> Place:
    """Return where a frame is; equal places are one object."""
    code, instruction = frame.f_code, frame.f_lasti
    known = _places.get((id(code), instruction))
    if known is None:
        known = (code, place_at(code, instruction, frame.f_lineno))
        _places[id(code), instruction] = known
    return known[1]


def place_at(code: CodeType, instruction: int, line: int | None) -> Place:
    """Return where an instruction of a code object is; `line` is used if it has no columns."""
    positions = list(code.co_positions())
    index = instruction // 2
    found = positions[index] if 0 <= index < len(positions) else (None, None, None, None)
    first, last, start, end = found
    if first is None or last is None or start is None or end is None:
        first = last = line or code.co_firstlineno
        start = end = 0
    return Place(code.co_filename, first, last, start, end, code.co_name)
