"""Translate Python's regular expressions into equivalent ones in JavaScript.

Some syntax means different things in both languages and is written out: character classes, which
are Unicode in Python, the dot, and the end of the text.
"""

from __future__ import annotations

import re

_WORD, _DIGIT = r"\p{L}\p{N}_", r"\p{Nd}"
_SPACE = r"\s\x1c-\x1f\x85"
_ASCII = {"w": "A-Za-z0-9_", "d": "0-9", "s": r" \t\n\r\f\v"}
_UNICODE = {"w": _WORD, "d": _DIGIT, "s": _SPACE}
_ANY = r"[\s\S]"
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")  # what JavaScript allows to be escaped
_PART = re.compile(r"\\.|\(\?P<|.", re.DOTALL)
_KNOWN = re.UNICODE | re.ASCII | re.DOTALL


def javascript(pattern: re.Pattern[str]) -> str:
    """Return the source of a pattern for `new RegExp(source, "u")`.

    Raises ValueError for what it cannot translate: other flags, and a negated class in a set.
    """
    if pattern.flags & ~_KNOWN:
        message = f"{pattern.pattern!r} has flags that are not translated"
        raise ValueError(message)
    parts, in_set = [], False
    for part in _PART.findall(pattern.pattern):
        if part in {"[", "]"}:
            in_set = part == "["
        parts.append(_translated(part, pattern.flags, in_set=in_set))
    return "".join(parts)


def _translated(part: str, flags: int, *, in_set: bool) -> str:
    if part[0] == "\\":
        return _escape(part[1], _ASCII if flags & re.ASCII else _UNICODE, in_set=in_set)
    if in_set:
        return part
    if part == ".":
        return _ANY if flags & re.DOTALL else r"[^\n]"
    return {"$": rf"(?=\n?(?!{_ANY}))", "(?P<": "(?<"}.get(part, part)


def _escape(letter: str, classes: dict[str, str], *, in_set: bool) -> str:
    if letter in classes:
        return classes[letter] if in_set else f"[{classes[letter]}]"
    if letter == "b" and not in_set:
        word = f"[{classes['w']}]"
        return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
    if letter in "SWD":
        if in_set:
            message = f"\\{letter} in a set is not translated"
            raise ValueError(message)
        return f"[^{classes[letter.lower()]}]"
    if letter.isalnum() or letter in _SYNTAX or (in_set and letter == "-"):
        return f"\\{letter}"
    return letter
