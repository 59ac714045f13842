"""Apply a unified diff to one program, or report why it does not apply.

Diffs by language models often have wrong line numbers, counts and file names. A hunk is
therefore located by its lines. It is rejected if they are missing or occur more than once.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

SIZE_LIMIT = 256 << 10  # characters; a program has about 2000
_HUNK = re.compile(r"@@(?: -(\d{1,9})(?:,\d+)? \+\d+(?:,\d+)? @@|(?: .*)?$)")
_NEXT_FILE = re.compile(r"(?:diff |Index: )")
_SIGNATURES = {"-- ", "--", "```"}  # after the last hunk, by `git format-patch` or Markdown


class PatchError(Exception):
    """A diff that cannot be applied; the message says why in one sentence."""


@dataclass
class _Hunk:
    """One hunk: the lines to find, the lines that replace them, and the line number from 1.

    The lines to find have no trailing whitespace, which editors and mail programs remove.
    """

    number: int
    line: int | None
    old: list[str] = field(default_factory=list)
    new: list[tuple[str, bool]] = field(default_factory=list)  # text, and whether it is unchanged

    def add(self, mark: str, text: str) -> None:
        """Add one line of the diff."""
        if mark != "+":
            self.old.append(text.rstrip())
        if mark != "-":
            self.new.append((text if mark == "+" else text.rstrip(), mark == " "))


def apply_patch(patch: str, source: str) -> str:
    """Return `source` with a unified diff applied. Raises PatchError if it does not apply."""
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
        message = "the diff changes nothing"
        raise PatchError(message)
    return "".join(f"{line}\n" for line in done)


def unified_diff(old: str, new: str, name: str) -> str:
    """Return the unified diff from `old` to `new`, two texts of the file `name`."""
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Split at newlines only; `splitlines` also splits at characters that Python's parser keeps."""
    return text.removesuffix("\n").split("\n")


def _hunks(patch: str) -> list[_Hunk]:
    if len(patch) > SIZE_LIMIT:
        message = f"the diff is longer than {SIZE_LIMIT >> 10} KiB"
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
        message = f"the diff changes {files} files; a program is one file"
        raise PatchError(message)
    if not found:
        message = "the diff has no hunk (a line that begins with @@)"
        raise PatchError(message)
    return found


def _read(line: str, hunk: _Hunk, number: int) -> None:
    mark, text = (line[0], line[1:]) if line else (" ", "")
    if mark == "\\":  # "No newline at end of file"
        return
    if mark not in " +-":
        message = f"line {number} of the diff does not begin with a space, + or -"
        raise PatchError(message)
    hunk.add(mark, text)


def _place(hunk: _Hunk, lines: list[str]) -> int:
    """Return the index, from 0, of the first line that a hunk replaces."""
    while hunk.old and hunk.new and hunk.old[-1] == "" and hunk.new[-1] == ("", True):
        hunk.old.pop()  # a trailing empty line is rarely intended
        hunk.new.pop()
    if not any(hunk.old):
        message = f"hunk {hunk.number} has no unchanged or removed line to locate it by"
        raise PatchError(message)
    bare = [line.rstrip() for line in lines]
    size = len(hunk.old)
    places = [at for at in range(len(bare) - size + 1) if bare[at : at + size] == hunk.old]
    if hunk.line is not None and hunk.line - 1 in places:
        return hunk.line - 1
    if len(places) == 1:
        return places[0]
    lines_found = ", ".join(str(at + 1) for at in places[:3])
    problem = f"match at several lines ({lines_found})" if places else "are not in the program"
    message = f"hunk {hunk.number}: its unchanged and removed lines {problem}"
    raise PatchError(message)


def _replacement(hunk: _Hunk, there: list[str]) -> list[str]:
    """Return the new lines; unchanged ones keep their trailing whitespace."""
    left = {line.rstrip(): line for line in there}
    return [left[text] if stays else text for text, stays in hunk.new]
