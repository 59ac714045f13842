"""Find the cases, fixes and controls of a corpus, and say what is wrong with its files."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .errors import CorpusError
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
        if not self.ids:
            message = f"{self.root} holds no case and no control: nothing could be proven"
            raise CorpusError(message)
        if not patterns:
            return self.ids
        chosen: set[str] = set()
        for pattern in patterns:
            found = {name for name in self.ids if _names(pattern.removesuffix(".py"), name)}
            if not found:
                raise CorpusError(self._unknown(pattern))
            chosen |= found
        return sorted(chosen)

    def _unknown(self, pattern: str) -> str:
        near = difflib.get_close_matches(pattern, self.ids, n=3, cutoff=0.5)
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


def load(root: Path) -> Corpus:
    """Read the corpus below `root`; never raises for a bad entry, lists its problems.

    Raises CorpusError where `root` holds none of the three trees.
    """
    if not any((root / tree).is_dir() for tree in TREES):
        message = f"{root} is no corpus: it has none of the folders {', '.join(TREES)}"
        raise CorpusError(message)
    files = {tree: _files(root / tree) for tree in TREES}
    problems = [*_strays(root, files), *_halves(files), *_duplicates(files)]
    entries: dict[str, Entry] = {}
    unsound = {problem.id for problem in problems}
    for name in sorted(_stems(files["cases"], ".py") | _stems(files["controls"], ".py")):
        if name in unsound:
            continue
        try:
            entries[name] = _read_entry(root, name)
        except SpecError as error:
            tree = "cases" if f"{name}.py" in files["cases"] else "controls"
            problems.append(Problem(name, f"{tree}/{name}.toml", str(error)))
        except UnicodeDecodeError as error:
            problems.append(Problem(name, name, f"not UTF-8 ({error}): save it as UTF-8"))
    return Corpus(root, entries, sorted(problems, key=lambda problem: (problem.id, problem.file)))


def _read_entry(root: Path, name: str) -> Entry:
    def source(tree: str) -> str:
        return (root / tree / f"{name}.py").read_text(encoding="utf-8")

    if (root / "cases" / f"{name}.py").is_file():
        spec = read_case(root / "cases" / f"{name}.toml")
        return Case(name, spec, source("cases"), source("fixes"))
    return Control(name, read_control(root / "controls" / f"{name}.toml"), source("controls"))


def _files(tree: Path) -> set[str]:
    return {
        path.relative_to(tree).as_posix()
        for path in tree.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".gitkeep"
    }


def _stems(files: set[str], suffix: str) -> set[str]:
    return {name.removesuffix(suffix) for name in files if name.endswith(suffix)}


def _strays(root: Path, files: dict[str, set[str]]) -> list[Problem]:
    problems = []
    for tree in TREES:
        allowed = {".py"} if tree == "fixes" else {".py", ".toml"}
        for name in files[tree]:
            path = root / tree / name
            if len(Path(name).parts) != 2 or path.suffix not in allowed:  # noqa: PLR2004  (topic and file)
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
