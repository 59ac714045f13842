"""Hide in a message what changes from run to run: addresses, paths, line numbers."""

from __future__ import annotations

import re

LENGTH = 4_000

_RULES = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"0x[0-9a-fA-F]{4,}"), "0x…"),
    (re.compile(r"(?:/[^\s'\":,()]+)+/site-packages/"), "…/site-packages/"),
    (re.compile(r"(?:/[^\s'\":,()]+)+/program\.py"), "program.py"),
    (re.compile(r"\bline \d+"), "line …"),
]


def mask(message: str) -> str:
    """Return `message` without what varies, at most LENGTH characters long."""
    for pattern, replacement in _RULES:
        message = pattern.sub(replacement, message)
    return message if len(message) <= LENGTH else message[:LENGTH] + "…"
