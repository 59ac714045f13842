"""Read the cases, fixes and controls of a corpus, and choose some by name."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.corpus.contents import Contents, Problem, contents_of
from broken_convnets.corpus.declared import SpecError, read_case, read_control
from broken_convnets.errors import CorpusError
from broken_convnets.util.files import read

if TYPE_CHECKING:
    from broken_convnets.corpus.spec import CaseSpec, ControlSpec, Healthy


@dataclass(frozen=True)
class Case:
    """A broken program beside its fix."""

    id: str
    spec: CaseSpec
    broken: str  # source text
    fixed: str

    kind = "pair"

    @property
    def healthy(self) -> Healthy:
        """What the fix is declared to give."""
        return self.spec.fixed

    def programs(self) -> dict[str, str]:
        """Return the source text of each side."""
        return {"broken": self.broken, "fixed": self.fixed}


@dataclass(frozen=True)
class Control:
    """A program that looks broken and works."""

    id: str
    spec: ControlSpec
    source: str

    kind = "control"

    @property
    def healthy(self) -> Healthy:
        """What it is declared to give."""
        return self.spec.works

    def programs(self) -> dict[str, str]:
        """Return the source text of its one side."""
        return {"fixed": self.source}


Entry = Case | Control


@dataclass(frozen=True)
class Corpus:
    """What a folder holds: entries fit to run, and problems by entry."""

    root: Path
    entries: dict[str, Entry]
    problems: list[Problem]

    @property
    def ids(self) -> list[str]:
        """Every id, of sound entries and of broken ones."""
        return sorted({*self.entries, *(problem.id for problem in self.problems)})

    def select(self, patterns: list[str]) -> list[str]:
        """Return the ids that `patterns` name: an id, its last part, a topic or a glob.

        Raises CorpusError, with the nearest ids, for a pattern that names none, and where
        there is no entry at all: an empty run would pass.
        """
        return _select(self.root, self.ids, patterns)


def _select(root: Path, ids: list[str], patterns: list[str]) -> list[str]:
    if not ids:
        message = f"{root} holds no case and no control: nothing could be proven"
        raise CorpusError(message)
    if not patterns:
        return ids
    chosen: set[str] = set()
    for pattern in patterns:
        found = {name for name in ids if _names(pattern.removesuffix(".py"), name)}
        if not found:
            raise CorpusError(_unknown(pattern, ids))
        chosen |= found
    return sorted(chosen)


def _unknown(pattern: str, ids: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (slow to load, and rarely needed)

    near = get_close_matches(pattern, ids, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `broken-convnets list`"
    return f"no case or control is called {pattern!r}: {hint}"


def _names(pattern: str, name: str) -> bool:
    topic, _, last = name.partition("/")
    return pattern.rstrip("/") in {name, topic, last} or fnmatchcase(name, pattern)


def default_root() -> Path:
    """Return the corpus that comes with the harness: in the wheel, or in the checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "bundled"
    return bundled if bundled.is_dir() else package.parents[1]


def load(root: Path) -> Corpus:
    """Read the corpus below `root`; never raises for a bad entry, lists its problems.

    Raises CorpusError where `root` holds none of the three trees.
    """
    contents = contents_of(root)
    problems = list(contents.problems)
    unsound = {problem.id for problem in problems}
    entries: dict[str, Entry] = {}
    for name in contents.programs:
        if name in unsound:
            continue
        found = _read_entry(contents, name)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            entries[name] = found
    return Corpus(root, entries, sorted(problems, key=lambda problem: (problem.id, problem.file)))


def find(root: Path, pattern: str) -> Entry:
    """Read the one entry that `pattern` names, and no other.

    Raises CorpusError where it names none or several, or the entry has a problem.
    """
    contents = contents_of(root)
    name, *others = _select(root, contents.ids(), [pattern])
    if others:
        message = f"{pattern!r} names several: choose one of {', '.join([name, *others])}"
        raise CorpusError(message)
    problems = sorted((p for p in contents.problems if p.id == name), key=lambda p: p.file)
    found = None if problems else _read_entry(contents, name)
    if isinstance(found, Case | Control):
        return found
    raise CorpusError("\n".join(map(str, [found] if found else problems)))


def _read_entry(contents: Contents, name: str) -> Entry | Problem:
    paired = f"{name}.py" in contents.files["cases"]
    tree = "cases" if paired else "controls"
    declared = f"{contents.trees[tree]}/{name}.toml"  # no Path: it would cost as much as reading

    def source(tree: str) -> str:
        return read(f"{contents.trees[tree]}/{name}.py")

    try:
        if paired:
            return Case(name, read_case(declared), source("cases"), source("fixes"))
        return Control(name, read_control(declared), source("controls"))
    except SpecError as error:
        return Problem(name, f"{tree}/{name}.toml", str(error))
    except UnicodeDecodeError as error:
        return Problem(name, name, f"not UTF-8 ({error}): save it as UTF-8")
