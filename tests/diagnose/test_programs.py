"""The healthy programs and the mutants that `diagnose` is measured on are well-formed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.kinds import kinds

from experiments.diagnose_programs import (
    HEALTHY as PROGRAMS,
)
from experiments.diagnose_programs import (
    ROOT,
    Cause,
    Edit,
    Mutant,
    healthy_programs,
    mutants,
)

if TYPE_CHECKING:
    from pathlib import Path

HEALTHY, MUTANTS = healthy_programs(), mutants()
LONGEST = 120  # lines


def _files(program: Path) -> list[Path]:
    return sorted(program.rglob("*.py")) if program.is_dir() else [program]


def _mutant(old: str, cause: str = "print('x')") -> Mutant:
    edit = Edit(old=old, new="print('x')\n")
    return Mutant("vae.py", "", ["training/not_learning"], [Cause(cause)], [edit])


def test_there_are_at_least_80_healthy_programs_and_30_mutants() -> None:
    assert len(HEALTHY) >= 80
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("program", HEALTHY, ids=lambda path: path.stem)
def test_a_healthy_program_is_short_documented_and_prints_its_result(program: Path) -> None:
    for path in _files(program):
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text))
        assert len(text.splitlines()) <= LONGEST
    assert any("print(" in path.read_text(encoding="utf-8") for path in _files(program))


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_a_mutant_compiles_and_has_the_lines_that_it_names(mutant: Mutant) -> None:
    for name, text in mutant.texts().items():
        compile(text, name, "exec", dont_inherit=True)
        assert text != (PROGRAMS / name).read_text(encoding="utf-8")
    assert mutant.cause_lines()


def test_the_kinds_of_mutants_are_in_the_vocabulary() -> None:
    unknown = {kind for one in MUTANTS.values() for kind in one.kinds} - kinds(load(ROOT))
    assert not unknown


def test_most_families_of_silent_mistakes_have_a_mutant() -> None:
    silent = [one for one in MUTANTS.values() if not one.raises]
    assert len({law for one in silent for law in one.violates}) >= 10


def test_a_mutant_is_written_with_all_files_of_its_program(tmp_path: Path) -> None:
    mutant = MUTANTS["engine_missing_train"]
    written = mutant.write(tmp_path)
    assert {path.name for path in _files(written)} == {path.name for path in _files(mutant.path)}
    changed = (written / "engine.py").read_text(encoding="utf-8")
    assert changed == mutant.texts()["classifier_package/engine.py"]


def test_an_edit_whose_text_is_missing_or_ambiguous_is_rejected() -> None:
    with pytest.raises(ValueError, match="occurs 0 times"):
        _mutant("no such text").texts()
    with pytest.raises(ValueError, match=r"occurs \d+ times"):
        _mutant("import").texts()


def test_a_cause_that_the_changed_program_lacks_is_rejected() -> None:
    with pytest.raises(ValueError, match="no line 'y = 1'"):
        _mutant('if __name__ == "__main__":\n    main()\n', "y = 1").cause_lines()
