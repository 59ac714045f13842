"""Make the characters of a foreign text visible that would control a terminal."""

from __future__ import annotations

import re

# C0 and C1 controls but for tab and newline; marks that reorder or hide text; lone surrogates.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return `text` with control characters as Python writes them, such as \x1b for escape."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)
