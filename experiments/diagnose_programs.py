"""The programs that `diagnose` is measured on: healthy ones, and mutants with one mistake each.

The healthy programs are in tests/diagnose/healthy: files, and folders with a `__main__.py`. A
mutant is a TOML file in tests/diagnose/mutants: the name of a healthy program, the edits that add
the mistake, its kinds, and the lines that a correct diagnosis may name as the cause.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.vocabulary import Law
from msgspec import Struct, convert

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
HEALTHY = ROOT / "tests/diagnose/healthy"
MUTANTS = ROOT / "tests/diagnose/mutants"


class Edit(Struct, frozen=True, forbid_unknown_fields=True):
    """Text to replace, which occurs once in the file. `file` is a path in a program's folder."""

    old: str
    new: str
    file: str = ""


class Cause(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the changed program without its indentation: the `nth` with this text, from 1."""

    line: str
    nth: int = 1
    file: str = ""


class Mutant(Struct, frozen=True, forbid_unknown_fields=True):
    """A healthy program with one mistake. `raises` is empty if the mistake is silent.

    Any of `kinds` is a correct classification, and any of `cause` a correct location.
    """

    program: str
    mistake: str
    kinds: list[str]
    cause: list[Cause]
    edits: list[Edit]
    violates: list[Law] = []
    raises: str = ""

    @property
    def path(self) -> Path:
        """The healthy program: a file, or a folder with a `__main__.py`."""
        return HEALTHY / self.program

    def texts(self) -> dict[str, str]:
        """Return the changed text of each edited file, by its path from the folder of programs.

        Raises ValueError if the text to replace does not occur exactly once.
        """
        found: dict[str, str] = {}
        for edit in self.edits:
            name = _joined(self.program, edit.file)
            text = found.get(name) or (HEALTHY / name).read_text(encoding="utf-8")
            if (count := text.count(edit.old)) != 1:
                message = f"{name}: {edit.old!r} occurs {count} times instead of once"
                raise ValueError(message)
            found[name] = text.replace(edit.old, edit.new)
        return found

    def cause_lines(self) -> frozenset[tuple[str, int]]:
        """Return each line of `cause` as its file, from the folder of programs, and its number.

        Raises ValueError if the changed program has no such line.
        """
        texts = self.texts()
        names = {cause: _joined(self.program, cause.file) for cause in self.cause}
        return frozenset((name, _line_number(texts[name], one)) for one, name in names.items())

    def write(self, folder: Path) -> Path:
        """Write the changed program into `folder`, and return its path."""
        target = folder / self.program
        if self.path.is_dir():
            shutil.copytree(self.path, target, ignore=shutil.ignore_patterns("__pycache__"))
        for name, text in self.texts().items():
            (folder / name).write_text(text, encoding="utf-8")
        return target


def _joined(program: str, file: str) -> str:
    return f"{program}/{file}" if file else program


def _line_number(text: str, cause: Cause) -> int:
    lines = enumerate(text.splitlines(), 1)
    numbers = [number for number, line in lines if line.strip() == cause.line]
    if len(numbers) < cause.nth:
        message = f"the changed program has no line {cause.line!r} number {cause.nth}"
        raise ValueError(message)
    return numbers[cause.nth - 1]


def healthy_programs() -> list[Path]:
    """Return every healthy program, in order of name."""
    folders = (path.parent for path in HEALTHY.glob("*/__main__.py"))
    return sorted([*HEALTHY.glob("*.py"), *folders])


def mutants() -> dict[str, Mutant]:
    """Return every mutant by name; raises msgspec.ValidationError for a malformed file."""
    return dict(_load())


def _load() -> Iterator[tuple[str, Mutant]]:
    for path in sorted(MUTANTS.glob("*.toml")):
        yield path.stem, convert(tomllib.loads(path.read_text(encoding="utf-8")), Mutant)
