"""Read a model's answer: a unified diff, or NOTHING."""

from __future__ import annotations

import re

from broken_convnets.commands.export.prompt import NOTHING

UNCHANGED = ""  # the answer of a model that considers the program correct
_BLOCK = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_HUNK = re.compile(r"^@@", re.MULTILINE)
_DECORATION = " \t*_`'\".!"


def read_answer(text: str) -> str | None:
    """Return the diff of an answer, UNCHANGED for NOTHING, or None if it is neither.

    The answer is NOTHING if its last line is that word. Otherwise it is the last code block that
    has a hunk, or the text itself if it has one outside of a code block.
    """
    text = text.replace("\r\n", "\n")
    last = text.strip().rpartition("\n")[2].strip(_DECORATION)
    if last.removeprefix("ANSWER:").strip(_DECORATION) == NOTHING:
        return UNCHANGED
    blocks = [block for block in _BLOCK.findall(f"{text}\n") if _HUNK.search(block)]
    if blocks:
        return str(blocks[-1])
    return text if _HUNK.search(text) else None
