"""Apply a unified diff to one program, or say why it does not fit; strict about the text.

Line numbers, counts and file names are often wrong in what tools write: a hunk belongs where
its lines are, and a diff is refused where that is nowhere, or in more than one place.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

LIMIT = 256 << 10  # characters; a program has two thousand
_HUNK = re.compile(r"@@(?: -(\d{1,9})(?:,\d+)? \+\d+(?:,\d+)? @@|(?: .*)?$)")
_NEXT_FILE = re.compile(r"(?:diff |Index: )")
_SIGNATURES = {"-- ", "--", "```"}  # after the last hunk: of `git format-patch`, of Markdown


class PatchError(Exception):
    """A diff that cannot be applied; the message says why, in one sentence."""


@dataclass
class _Hunk:
    """One hunk: the lines it wants to find, what it leaves, and the line it names, from 1.

    Lines to find are without the white space at their end, which editors and mails drop.
    """

    number: int
    line: int | None
    old: list[str] = field(default_factory=list)
    new: list[tuple[str, bool]] = field(default_factory=list)  # and whether it was there before

    def add(self, mark: str, text: str) -> None:
        """Take a line of the diff in."""
        if mark != "+":
            self.old.append(text.rstrip())
        if mark != "-":
            self.new.append((text if mark == "+" else text.rstrip(), mark == " "))


def apply(patch: str, source: str) -> str:
    """Return `source` with a unified diff applied; raises PatchError where it does not fit."""
    lines = _lines(source)
    placed = sorted(
        ((_place(hunk, lines), hunk) for hunk in _hunks(patch)), key=lambda pair: pair[0]
    )
    done, at = [], 0
    for start, hunk in placed:
        if start < at:
            message = f"hunk {hunk.number} overlaps with another"
            raise PatchError(message)
        done += lines[at:start] + _replacement(hunk, lines[start : start + len(hunk.old)])
        at = start + len(hunk.old)
    done += lines[at:]
    if done == lines:
        message = "it changes nothing"
        raise PatchError(message)
    return "".join(f"{line}\n" for line in done)


def difference(old: str, new: str, name: str) -> str:
    """Return the unified diff that makes `new` of `old`, the text of a file of that name."""
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Split as editors do; `splitlines` knows more ends of a line than Python's own parser."""
    return text.removesuffix("\n").split("\n")


def _hunks(patch: str) -> list[_Hunk]:
    if len(patch) > LIMIT:
        message = f"it is longer than {LIMIT >> 10} KiB"
        raise PatchError(message)
    lines = [line.removesuffix("\r") for line in _lines(patch)]
    found: list[_Hunk] = []
    current: _Hunk | None = None
    files = 0
    for number, line in enumerate(lines):
        follows = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("--- ") and follows.startswith("+++ "):
            files, current = files + 1, None
        elif _NEXT_FILE.match(line) or line in _SIGNATURES:
            current = None
        elif match := _HUNK.match(line):
            current = _Hunk(len(found) + 1, int(match[1]) if match[1] else None)
            found.append(current)
        elif current:
            _read(line, current, number + 1)
    if files > 1:
        message = f"it changes {files} files, and a program is one"
        raise PatchError(message)
    if not found:
        message = "it has no hunk (a line that begins with @@)"
        raise PatchError(message)
    return found


def _read(line: str, hunk: _Hunk, number: int) -> None:
    mark, text = (line[0], line[1:]) if line else (" ", "")
    if mark == "\\":  # "No newline at end of file"
        return
    if mark not in " +-":
        message = f"line {number} of it begins with none of space, + and -"
        raise PatchError(message)
    hunk.add(mark, text)


def _place(hunk: _Hunk, lines: list[str]) -> int:
    """Return where the lines of a hunk are, from 0."""
    while hunk.old and hunk.new and hunk.old[-1] == "" and hunk.new[-1] == ("", True):
        hunk.old.pop()  # an empty line at the end is seldom meant, and says nothing
        hunk.new.pop()
    if not any(hunk.old):
        message = f"hunk {hunk.number} has no line to find its place by"
        raise PatchError(message)
    bare = [line.rstrip() for line in lines]
    size = len(hunk.old)
    places = [at for at in range(len(bare) - size + 1) if bare[at : at + size] == hunk.old]
    if hunk.line is not None and hunk.line - 1 in places:
        return hunk.line - 1
    if len(places) == 1:
        return places[0]
    where = f"at lines {', '.join(str(at + 1) for at in places[:3])}" if places else "nowhere"
    message = f"hunk {hunk.number} fits {where}: its unchanged and removed lines must be " + (
        "in one place only" if places else "as in the program"
    )
    raise PatchError(message)


def _replacement(hunk: _Hunk, there: list[str]) -> list[str]:
    """Return the new lines; those that stay, stay to the letter."""
    left = {line.rstrip(): line for line in there}
    return [left[text] if stays else text for text, stays in hunk.new]
