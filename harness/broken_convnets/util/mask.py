"""Mask the parts of a message that change from run to run: addresses, paths, line numbers."""

from __future__ import annotations

import re

LENGTH = 4_000

_RULES = [
    (re.compile(r"\r\n?"), "\n"),
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"0x[0-9a-fA-F]{4,}"), "0x…"),
    (re.compile(r"/[^\s'\":,()]*/site-packages/"), "…/site-packages/"),
    (re.compile(r"/[^\s'\":,()]*/program\.py"), "program.py"),
    # Temporary folders of Python's tempfile, and a run's own folder.
    (re.compile(r"/[^\s'\":,()]*/(?:tmp[a-z0-9_]{8}\b|broken-convnets-\w+)"), "…"),
    (re.compile(r"\bline \d+"), "line …"),
]


def mask(message: str) -> str:
    """Return `message` masked, as valid UTF-8 of at most LENGTH characters."""
    cut = len(message) > LENGTH
    message = message[:LENGTH].encode(errors="backslashreplace").decode()
    for pattern, replacement in _RULES:
        message = pattern.sub(replacement, message)
    return message + "…" if cut else message


def mask_error(error: BaseException) -> str:
    """Return an exception's message, masked; its `__str__` may raise."""
    try:
        return mask(str(error))
    except BaseException as inner:  # noqa: BLE001  (it is the program's code)
        return f"(no message: its __str__ raises {type(inner).__name__})"
