"""Find the entries of a corpus by file names alone, and the files that belong to none."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from broken_convnets.errors import CorpusError
from broken_convnets.util.visible import visible

TREES = ("cases", "fixes", "controls")


@dataclass(frozen=True)
class Problem:
    """A violation of the case format: the file, and a sentence that says what to do."""

    id: str
    file: str  # relative to the corpus
    message: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return visible(f"{self.file}: {self.message}")


class Contents(NamedTuple):
    """The files of a corpus by name; none is read yet."""

    trees: dict[str, Path]
    files: dict[str, set[str]]  # by tree
    problems: list[Problem]
    programs: list[str]  # the ids of cases and controls, sorted

    def ids(self) -> list[str]:
        """Return every id, of complete and incomplete entries."""
        return sorted({*self.programs, *(problem.id for problem in self.problems)})


def contents_of(root: Path) -> Contents:
    """List the files below `root`; raises CorpusError if it has none of the three folders."""
    trees = {tree: root / tree for tree in TREES}
    if not any(folder.is_dir() for folder in trees.values()):
        message = f"{root} is not a corpus: no {', '.join(f'{tree}/' for tree in TREES)} directory"
        raise CorpusError(message)
    files = {tree: _files(folder) for tree, folder in trees.items()}
    problems = [*_strays(files), *_halves(files), *_duplicates(files)]
    programs = _stems(files["cases"], ".py") | _stems(files["controls"], ".py")
    return Contents(trees, files, problems, sorted(programs))


def _files(folder: Path | str, below: str = "") -> set[str]:
    """Return the files below a folder, as paths with slashes and the prefix `below`."""
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
                message = f"does not belong here (expected {shape}): move or delete it"
                problems.append(Problem(stem, f"{tree}/{name}", message))
    return problems


def _halves(files: dict[str, set[str]]) -> list[Problem]:
    parts = {
        f"{tree}/{{}}{suffix}": _stems(files[tree], suffix)
        for tree, suffix in (
            ("cases", ".py"),
            ("cases", ".toml"),
            ("fixes", ".py"),
            ("controls", ".py"),
            ("controls", ".toml"),
        )
    }
    pairs, controls = list(parts.items())[:3], list(parts.items())[3:]
    problems = []
    for group in (pairs, controls):
        for name in sorted(set().union(*(names for _, names in group))):
            present = [part.format(name) for part, names in group if name in names]
            missing = [part.format(name) for part, names in group if name not in names]
            problems += [
                Problem(name, part, f"is missing, but {present[0]} exists: add it")
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
        Problem(name, f"{path}.py", f"the id {last!r} is used twice in the corpus: rename one")
        for last, path, name in ids
        if counts[last] > 1
    ]
