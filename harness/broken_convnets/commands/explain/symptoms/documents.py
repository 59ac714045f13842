"""Find the page of the documentation that answers a question."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from msgspec import Struct, convert

from broken_convnets.commands.explain.symptoms.matching import normalized
from broken_convnets.commands.explain.symptoms.phrases import pattern_of
from broken_convnets.util.files import read

HERE = Path(__file__).parent
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_MARKS = re.compile(r"^#+ |\*+", re.MULTILINE)


class Document(Struct, frozen=True):
    """A page of the documentation: its heading, and its beginning up to the first table."""

    name: str
    title: str
    text: str
    path: str


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    """The phrases of the questions that one page answers."""

    name: str
    phrases: list[str]


class Questions(Struct, frozen=True, forbid_unknown_fields=True):
    """The pages, and the words in capitals of their phrases."""

    pages: list[Page]
    words: dict[str, str]


@cache
def questions() -> Questions:
    """Return the pages that answer questions."""
    return convert(tomllib.loads(read(HERE / "documents.toml")), Questions)


def document_for(text: str, root: Path) -> Document | None:
    """Return the page that answers a question, if the corpus in `root` has it."""
    text = normalized(text)
    known = questions()
    for page in known.pages:
        path = root / "docs" / f"{page.name}.md"
        if path.is_file() and any(
            pattern_of(phrase, known.words).search(text) for phrase in page.phrases
        ):
            return _document(page.name, path)
    return None


def _document(name: str, path: Path) -> Document:
    heading, _, rest = read(path).partition("\n")
    beginning = rest.partition("\n|")[0].rpartition("\n## ")[0] or rest
    plain = _MARKS.sub("", _LINK.sub(r"\1", beginning)).strip()
    return Document(name, heading.removeprefix("# ").strip(), plain, str(path))
