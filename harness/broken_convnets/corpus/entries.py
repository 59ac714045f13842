"""Read the cases, fixes and controls of a corpus, and choose some by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.corpus.contents import Contents, Problem, contents_of
from broken_convnets.corpus.declared import SpecError, read_case, read_control
from broken_convnets.corpus.selection import select
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
        """What is declared about the fix."""
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
        """What is declared about its run."""
        return self.spec.works

    def programs(self) -> dict[str, str]:
        """Return the source text of its one side."""
        return {"fixed": self.source}


Entry = Case | Control


@dataclass(frozen=True)
class Corpus:
    """The content of a folder: the entries that can run, and the problems of the others."""

    root: Path
    entries: dict[str, Entry]
    problems: list[Problem]

    @property
    def ids(self) -> list[str]:
        """Every id, of valid and invalid entries."""
        return sorted({*self.entries, *(problem.id for problem in self.problems)})

    def select(self, patterns: list[str]) -> list[str]:
        """Return the ids that `patterns` name; see `selection.select`."""
        return select(self.root, self.ids, patterns)


def default_root() -> Path:
    """Return the corpus of this package: inside the wheel, or the checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "bundled"
    return bundled if bundled.is_dir() else package.parents[1]


def load(root: Path) -> Corpus:
    """Read the corpus in `root`; an invalid entry becomes a problem.

    Raises CorpusError if `root` contains none of the three folders.
    """
    contents = contents_of(root)
    problems = list(contents.problems)
    unsound = {problem.id for problem in problems}
    entries: dict[str, Entry] = {}
    for name in contents.programs:
        if name in unsound:
            continue
        found = _read_entry(root, name, _tree(contents, name))
        if isinstance(found, Problem):
            problems.append(found)
        else:
            entries[name] = found
    return Corpus(root, entries, sorted(problems, key=lambda problem: (problem.id, problem.file)))


def find(root: Path, pattern: str) -> Entry:
    """Read the one entry that `pattern` names, and no other.

    Raises CorpusError if it names none or several, or the entry is invalid.
    """
    contents = contents_of(root)
    names = select(root, contents.ids(), [pattern])
    if len(names) > 1:
        message = "\n  ".join([f"{pattern!r} names {len(names)} entries: choose one", *names])
        raise CorpusError(message)
    (name,) = names
    problems = sorted((p for p in contents.problems if p.id == name), key=lambda p: p.file)
    found = None if problems else _read_entry(root, name, _tree(contents, name))
    if isinstance(found, Case | Control):
        return found
    raise CorpusError("\n".join(map(str, [found] if found else problems)))


def case_of(root: Path, name: str) -> Case:
    """Read the case with an id, and no other file; raises CorpusError if there is none."""
    found = _read_entry(root, name, "cases") if _is_case(root, name) else None
    if isinstance(found, Case):
        return found
    reason = f"{found}" if found else f"{root} contains no case {name!r}"
    raise CorpusError(reason)


def _is_case(root: Path, name: str) -> bool:
    return all((root / tree / f"{name}.py").is_file() for tree in ("cases", "fixes"))


def _read_entry(root: Path, name: str, tree: str) -> Entry | Problem:
    """Read an entry of `cases` or `controls`."""
    declared = f"{root}/{tree}/{name}.toml"  # a Path would cost as much as reading

    def source(tree: str) -> str:
        return read(f"{root}/{tree}/{name}.py")

    try:
        if tree == "cases":
            return Case(name, read_case(declared), source("cases"), source("fixes"))
        return Control(name, read_control(declared), source("controls"))
    except SpecError as error:
        return Problem(name, f"{tree}/{name}.toml", str(error))
    except UnicodeDecodeError as error:
        return Problem(name, name, f"not UTF-8 ({error}): save it as UTF-8")
    except OSError as error:
        return Problem(name, name, f"cannot be read ({error.strerror}): correct its permissions")


def _tree(contents: Contents, name: str) -> str:
    return "cases" if f"{name}.py" in contents.files["cases"] else "controls"
