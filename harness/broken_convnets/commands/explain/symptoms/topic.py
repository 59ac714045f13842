"""Whether a text is about the training of networks: other fields know losses and memory, too."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from msgspec import Struct, convert

from broken_convnets.util.files import read


class Vocabulary(Struct, frozen=True, forbid_unknown_fields=True):
    """The words that people use only about networks, also about them, or about something else."""

    ours: list[str]
    shared: list[str]
    theirs: list[str]

    def expressions(self) -> tuple[str, str, str]:
        """Return a regular expression for each of the three lists."""
        ours, shared, theirs = map(_any, (self.ours, self.shared, self.theirs))
        return ours, shared, theirs


@cache
def vocabulary() -> Vocabulary:
    """Return the words of `topic.toml`."""
    return convert(tomllib.loads(read(Path(__file__).parent / "topic.toml")), Vocabulary)


def is_about_networks(text: str) -> bool:
    """Return whether a text in lower case is about networks and their training."""
    ours, shared, theirs = (set(re.findall(words, text)) for words in vocabulary().expressions())
    return len(ours) > len(theirs) if theirs else bool(ours or shared)


def _any(words: list[str]) -> str:
    return rf"\b(?:{'|'.join(words)})\b"
