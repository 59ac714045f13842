"""The vocabulary of kinds of failure: `topic/name`, where the topic is a folder of the corpus.

A kind is in the vocabulary if the `covers` of a case or a guide lists it, or
`evidence/uncovered.toml` says why none does.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from broken_convnets.corpus.contents import Problem
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.guides import load_guides
from broken_convnets.errors import CorpusError
from broken_convnets.util.files import read

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus, Entry

UNCOVERED = "evidence/uncovered.toml"


def kinds(corpus: Corpus) -> frozenset[str]:
    """Return every kind of a corpus; raises CorpusError for a damaged `uncovered.toml`."""
    return frozenset({*covered(corpus), *guided(corpus), *uncovered(corpus)})


def covered(corpus: Corpus) -> dict[str, list[str]]:
    """Return the kinds that have a case, each with the ids of its cases."""
    found: dict[str, list[str]] = {}
    for name, entry in corpus.entries.items():
        for kind in entry.spec.covers if isinstance(entry, Case) else []:
            found.setdefault(kind, []).append(name)
    return found


def guided(corpus: Corpus) -> dict[str, list[str]]:
    """Return the kinds that have a guide, each with the ids of its guides."""
    found: dict[str, list[str]] = {}
    for name, guide in load_guides(corpus.root).valid.items():
        for kind in guide.spec.covers:
            found.setdefault(kind, []).append(name)
    return found


def uncovered(corpus: Corpus) -> dict[str, str]:
    """Return the reason for each kind without a case or guide; none without such a file."""
    path = corpus.root / UNCOVERED
    if not path.is_file():
        return {}
    try:
        return {kind: str(reason) for kind, reason in tomllib.loads(read(path)).items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}; correct the syntax there"
        raise CorpusError(message) from None


def topics(corpus: Corpus) -> frozenset[str]:
    """Return the topics of a corpus: the folders of its cases and controls."""
    return frozenset(name.partition("/")[0] for name in corpus.ids)


def unknown_topics(corpus: Corpus) -> list[Problem]:
    """Return a problem for each kind whose topic is not one of the corpus.

    Generated cases have the kinds of the corpus that they were generated from.
    """
    known = topics(corpus)
    files: dict[str, list[str]] = {}
    for kind, names in covered(corpus).items():
        own = [name for name in names if not _is_generated(corpus.entries[name])]
        files[kind] = [f"cases/{name}.toml" for name in own]
    for kind, names in guided(corpus).items():
        files.setdefault(kind, []).extend(f"guides/{name}.toml" for name in names)
    for kind in uncovered(corpus):
        files.setdefault(kind, []).append(UNCOVERED)
    return [
        Problem(
            file.removeprefix("cases/").removesuffix(".toml"),
            file,
            f"kind {kind!r} is in no topic of the corpus: begin it with one of "
            f"{', '.join(f'{topic}/' for topic in sorted(known))}",
        )
        for kind, where in sorted(files.items())
        if kind.partition("/")[0] not in known
        for file in where
    ]


def _is_generated(entry: Entry) -> bool:
    return isinstance(entry, Case) and entry.spec.generated is not None
