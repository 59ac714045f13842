"""Guides: errors that no program of the corpus shows, because they need other hardware.

`guides/<topic>/<id>.toml` says what such an error means and what to try, in which order. Nothing
in a guide is verified by a program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.corpus.contents import Problem, contents_of
from broken_convnets.corpus.declared import SpecError, read_guide
from broken_convnets.corpus.entries import find
from broken_convnets.corpus.selection import matching
from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus, Entry
    from broken_convnets.corpus.spec import GuideSpec

TREE = "guides"


@dataclass(frozen=True)
class Guide:
    """An error without a program: what it means, and what to try."""

    id: str
    spec: GuideSpec

    kind = "guide"


@dataclass(frozen=True)
class Guides:
    """The guides of a corpus by id, and the problems of the invalid ones."""

    valid: dict[str, Guide] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load_guides(root: Path) -> Guides:
    """Read the guides of the corpus in `root`; there are none without the folder `guides`."""
    found = Guides()
    for path in _files(root):
        name = path.relative_to(root / TREE).with_suffix("").as_posix()
        try:
            found.valid[name] = Guide(name, read_guide(path))
        except SpecError as error:
            found.problems.append(Problem(name, f"{TREE}/{name}.toml", str(error)))
    return found


def guide_of(root: Path, name: str) -> Guide | None:
    """Read the guide with an id; None if there is none. Raises CorpusError if it is invalid."""
    path = root / TREE / f"{name}.toml"
    if not path.is_file():
        return None
    try:
        return Guide(name, read_guide(path))
    except SpecError as error:
        message = f"{TREE}/{name}.toml: {error}"
        raise CorpusError(message) from None


def find_with_guides(root: Path, pattern: str) -> Entry | Guide:
    """Read the one entry or guide that `pattern` names.

    Raises CorpusError if it names none or several, or what it names is invalid.
    """
    ids = [path.relative_to(root / TREE).with_suffix("").as_posix() for path in _files(root)]
    names = [name for name in ids if matching(pattern, [name])]
    if len(names) != 1 or matching(pattern, contents_of(root).ids()):
        return find(root, pattern)
    guide = guide_of(root, names[0])
    if guide is None:
        message = f"{names[0]} was deleted meanwhile: try again"
        raise CorpusError(message)
    return guide


def _files(root: Path) -> list[Path]:
    return sorted((root / TREE).rglob("*.toml"))


def guide_problems(corpus: Corpus) -> list[Problem]:
    """Return what is wrong with the guides of a corpus: their keys, ids, topics and references."""
    guides = load_guides(corpus.root)
    topics = {name.partition("/")[0] for name in corpus.ids}
    last_parts = {name.rpartition("/")[2] for name in corpus.ids}
    found = list(guides.problems)
    for name, guide in guides.valid.items():
        topic, _, last = name.rpartition("/")
        messages = [
            f"key `related`: {other!r} is not in the corpus: correct it"
            for other in guide.spec.related
            if other not in corpus.ids
        ]
        if topic not in topics:
            messages.append(f"is in no topic of the corpus: one of {', '.join(sorted(topics))}")
        if last in last_parts:
            messages.append(f"the id {last!r} is used twice in the corpus: rename one")
        found += [Problem(name, f"{TREE}/{name}.toml", message) for message in messages]
    return found
