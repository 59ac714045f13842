"""Find the cases, fixes and controls of a corpus, and say what is wrong with its files."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from .errors import CorpusError
from .files import read
from .spec import CaseSpec, ControlSpec, Healthy, SpecError, read_case, read_control

TREES = ("cases", "fixes", "controls")


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
class Problem:
    """One breach of the corpus contract: where, and a sentence with its remedy."""

    id: str
    file: str  # relative to the corpus
    message: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{self.file}: {self.message}"


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
    hint = f"did you mean {' or '.join(near)}?" if near else "see `python -m harness list`"
    return f"no case or control is called {pattern!r}: {hint}"


def _names(pattern: str, name: str) -> bool:
    topic, _, last = name.partition("/")
    return pattern.rstrip("/") in {name, topic, last} or fnmatchcase(name, pattern)


def default_root() -> Path:
    """Return the corpus that comes with the harness: in the wheel, or in the checkout."""
    package = Path(__file__).parent
    bundled = package / "corpus"
    return bundled if bundled.is_dir() else package.parent


class _Survey(NamedTuple):
    """What the names of a corpus' files say, before one of them is read."""

    trees: dict[str, Path]
    files: dict[str, set[str]]  # by tree
    problems: list[Problem]
    programs: list[str]  # the ids of cases and controls, sorted

    def ids(self) -> list[str]:
        """Return every id, of whole entries and of parts of one."""
        return sorted({*self.programs, *(problem.id for problem in self.problems)})


def load(root: Path) -> Corpus:
    """Read the corpus below `root`; never raises for a bad entry, lists its problems.

    Raises CorpusError where `root` holds none of the three trees.
    """
    survey = _survey(root)
    problems = list(survey.problems)
    unsound = {problem.id for problem in problems}
    entries: dict[str, Entry] = {}
    for name in survey.programs:
        if name in unsound:
            continue
        found = _read_entry(survey, name)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            entries[name] = found
    return Corpus(root, entries, sorted(problems, key=lambda problem: (problem.id, problem.file)))


def find(root: Path, pattern: str) -> Entry:
    """Read the one entry that `pattern` names, and no other.

    Raises CorpusError where it names none or several, or the entry has a problem.
    """
    survey = _survey(root)
    name, *others = _select(root, survey.ids(), [pattern])
    if others:
        message = f"{pattern!r} names several: choose one of {', '.join([name, *others])}"
        raise CorpusError(message)
    problems = sorted((p for p in survey.problems if p.id == name), key=lambda p: p.file)
    found = None if problems else _read_entry(survey, name)
    if isinstance(found, Case | Control):
        return found
    raise CorpusError("\n".join(map(str, [found] if found else problems)))


def _survey(root: Path) -> _Survey:
    trees = {tree: root / tree for tree in TREES}
    if not any(folder.is_dir() for folder in trees.values()):
        message = f"{root} is no corpus: it has none of the folders {', '.join(TREES)}"
        raise CorpusError(message)
    files = {tree: _files(folder) for tree, folder in trees.items()}
    problems = [*_strays(files), *_halves(files), *_duplicates(files)]
    programs = _stems(files["cases"], ".py") | _stems(files["controls"], ".py")
    return _Survey(trees, files, problems, sorted(programs))


def _read_entry(survey: _Survey, name: str) -> Entry | Problem:
    paired = f"{name}.py" in survey.files["cases"]
    tree = "cases" if paired else "controls"
    declared = f"{survey.trees[tree]}/{name}.toml"  # no Path: it would cost as much as reading

    def source(tree: str) -> str:
        return read(f"{survey.trees[tree]}/{name}.py")

    try:
        if paired:
            return Case(name, read_case(declared), source("cases"), source("fixes"))
        return Control(name, read_control(declared), source("controls"))
    except SpecError as error:
        return Problem(name, f"{tree}/{name}.toml", str(error))
    except UnicodeDecodeError as error:
        return Problem(name, name, f"not UTF-8 ({error}): save it as UTF-8")


def _files(folder: Path | str, below: str = "") -> set[str]:
    """Return the files below a folder, as paths with slashes that begin with `below`."""
    found: set[str] = set()
    with suppress(FileNotFoundError, PermissionError), os.scandir(folder) as items:
        for item in items:
            if item.is_dir(follow_symlinks=False) and item.name != "__pycache__":
                found |= _files(item.path, f"{below}{item.name}/")
            elif item.is_file() and item.name != ".gitkeep":
                found.add(f"{below}{item.name}")
    return found


def _stems(files: set[str], suffix: str) -> set[str]:
    return {name.removesuffix(suffix) for name in files if name.endswith(suffix)}


def _strays(files: dict[str, set[str]]) -> list[Problem]:
    problems = []
    for tree in TREES:
        allowed = {".py"} if tree == "fixes" else {".py", ".toml"}
        fits = re.compile(rf"[^/]+/[^/]+(?:{'|'.join(map(re.escape, sorted(allowed)))})")
        for name in files[tree]:
            if not fits.fullmatch(name):
                shape = f"{tree}/<topic>/<id>{'|'.join(sorted(allowed))}"
                stem = Path(name).with_suffix("").as_posix()
                message = f"does not belong here, only {shape} does: move or delete it"
                problems.append(Problem(stem, f"{tree}/{name}", message))
    return problems


def _halves(files: dict[str, set[str]]) -> list[Problem]:
    parts = {
        f"{tree}/{{}}{suffix}": _stems(files[tree], suffix)
        for tree, suffix in (
            ("cases", ".py"), ("cases", ".toml"), ("fixes", ".py"),
            ("controls", ".py"), ("controls", ".toml"),
        )
    }  # fmt: skip
    pairs, controls = list(parts.items())[:3], list(parts.items())[3:]
    problems = []
    for group in (pairs, controls):
        for name in sorted(set().union(*(names for _, names in group))):
            present = [part.format(name) for part, names in group if name in names]
            missing = [part.format(name) for part, names in group if name not in names]
            problems += [
                Problem(name, part, f"is missing, though {present[0]} is there: add it")
                for part in missing
            ]
    return problems


def _duplicates(files: dict[str, set[str]]) -> list[Problem]:
    ids = [
        (name.rpartition("/")[2], f"{tree}/{name}", name)
        for tree in ("cases", "controls")
        for name in sorted(_stems(files[tree], ".py"))
    ]
    counts = Counter(last for last, _, _ in ids)
    return [
        Problem(name, f"{path}.py", f"the id {last!r} is taken twice in the corpus: rename one")
        for last, path, name in ids
        if counts[last] > 1
    ]
