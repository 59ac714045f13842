"""What the recorder takes for the user's code: the program, not what runs it, nor libraries."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from broken_convnets.observe.recorder import Options, Record, Recorder
from broken_convnets.observe.recorder.places import is_user_file
from broken_convnets.observe.recorder.reachable import arrays_in
from broken_convnets.observe.user_program import UserProgram

MEAN = np.ones(3)  # a global that a dataset of this module uses
PROGRAM = """\
import torch


def shifted(x):
    return torch.relu(x + 1)


shifted(torch.zeros(2))
"""


class Shifted:
    def __getitem__(self, index: int) -> object:
        return torch.from_numpy(MEAN), index


class UsesModule:
    def __init__(self, module: ModuleType) -> None:
        self.module = module


def record(tmp_path: Path) -> tuple[str, Record]:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    with Recorder(Options.everything()) as recorder:
        UserProgram(str(path)).run()
    return str(path), recorder.record


def test_places_end_at_the_program(tmp_path: Path) -> None:
    path, found = record(tmp_path)
    places = [place for operator in found.operators for place in operator.places]
    assert {place.file for place in places} == {path}
    assert {place.function for place in places} == {"<module>", "shifted"}


def test_only_the_modules_of_the_program_are_kept(tmp_path: Path) -> None:
    path, found = record(tmp_path)
    assert list(found.content_facts.worlds) == [path]


def test_without_a_program_places_go_on_to_the_caller() -> None:
    with Recorder(Options.everything()) as recorder:
        torch.zeros(2).add(1)
    assert {one.place.file for one in recorder.record.operators if one.place} == {__file__}


def test_an_installed_command_is_not_the_users() -> None:
    assert not is_user_file(str(Path(sysconfig.get_path("scripts")) / "pytest"))
    assert is_user_file(__file__)


def test_a_dataset_holds_the_globals_of_its_module_but_nothing_of_libraries() -> None:
    assert [array is MEAN for _, array in arrays_in(Shifted())] == [True]
    own = ModuleType("settings")
    own.__file__ = __file__
    own.std = MEAN  # type: ignore[attr-defined]
    foreign = ModuleType("installed")
    foreign.__file__ = f"{sysconfig.get_path('purelib')}/installed.py"
    foreign.std = MEAN  # type: ignore[attr-defined]
    builtin = ModuleType("built_in")
    builtin.std = MEAN  # type: ignore[attr-defined]
    held = [len(arrays_in(UsesModule(module))) for module in (own, foreign, builtin)]
    assert held == [1, 0, 0]
