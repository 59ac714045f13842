"""Store the index in `results/messages.json`, so that `explain` reads one file.

`reproduce --update` writes it: one entry per line, sorted, so that a change is a readable diff.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.explain.index import Index, index_of
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.locations import results_to_read, results_to_write
from broken_convnets.errors import RecordError
from broken_convnets.util import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus

NAME = "messages.json"


def as_text(index: Index) -> str:
    """Return the content of `results/messages.json`."""
    parts = [
        f'"cases": [\n{_lines(index.cases)}\n]',
        f'"counts": {{\n{_members(index.counts)}\n}}',
        f'"documents": [\n{_lines(index.documents)}\n]',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(items: Iterable[object]) -> str:
    return ",\n".join(_json(item) for item in items)


def _members(items: Mapping[str, int]) -> str:
    return ",\n".join(f"{_json(key)}: {value}" for key, value in items.items())


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def write(corpus: Corpus) -> Path:
    """Bring the file of a corpus up to date, and return its path."""
    path = results_to_write(corpus.root) / NAME
    files.write(path, as_text(index_of(corpus)))
    return path


def read(root: Path) -> Index:
    """Return the index of the corpus in a folder: from its file, or built if there is none.

    Raises RecordError for a damaged file, and CorpusError if the folder is not a corpus.
    """
    path = results_to_read(root) / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Index)
    except FileNotFoundError:
        return index_of(load(root))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}; restore it, or write it with `reproduce --update`"
        raise RecordError(message) from None


def problem(corpus: Corpus) -> str:
    """Return what is wrong with the file of a corpus that has one; empty if it is current."""
    path = results_to_read(corpus.root) / NAME
    if not path.is_file() or path.read_text(encoding="utf-8") == as_text(index_of(corpus)):
        return ""
    return "is not current: run `broken-convnets reproduce ID --update` for any one ID"
