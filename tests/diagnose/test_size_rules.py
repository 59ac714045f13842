"""Rules about wrong sizes: each program has one mistake, in the line that is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kit import slow_but
from size_programs import CAUSE, Judged, Program, judge, programs

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = (
    "batches",
    "channels",
    "constructors",
    "features",
    "kernels",
    "layouts",
    "operands",
    "ranks",
    "sequences",
    "targets",
    "views",
    "healthy",
)
PROGRAMS = {program.name: program for name in FILES for program in programs(name)}
BROKEN = [name for name, program in PROGRAMS.items() if program.kinds]
HEALTHY = [name for name, program in PROGRAMS.items() if not program.kinds]


QUICK = {  # the first one of each kind
    *{program.kinds: name for name, program in reversed(PROGRAMS.items())}.values(),
    *HEALTHY,
}


class Judgements(dict[str, Judged]):
    """What was found in the quick programs, or in the other ones, once one of them is wanted."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        super().__init__()
        self._folders = folders

    def __missing__(self, wanted: str) -> Judged:
        together = [one for name, one in PROGRAMS.items() if (name in QUICK) is (wanted in QUICK)]
        self.update(judge(self._folders.mktemp("programs"), together))
        return self[wanted]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    return Judgements(tmp_path_factory)


@pytest.mark.parametrize("name", slow_but(QUICK, BROKEN))
def test_a_wrong_size_is_found_at_its_line_and_a_fix_works(
    name: str, judged: Mapping[str, Judged]
) -> None:
    found, program = judged[name], PROGRAMS[name]
    assert found.raised
    assert not found.failed
    assert found.kinds[:1] == [kind for kind in program.kinds if kind == found.kinds[0]]
    assert len(found.kinds) == 1
    assert has_cause(found, program)
    assert found.is_fixed


def has_cause(found: Judged, program: Program) -> bool:
    """Return whether the finding names the marked line."""
    assert CAUSE in program.text
    return CAUSE in found.cause


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_is_not_reported(name: str, judged: Mapping[str, Judged]) -> None:
    found = judged[name]
    assert not found.raised
    assert not found.failed
    assert found.kinds == []


def test_the_message_states_the_sizes_of_the_flattened_image(
    judged: Mapping[str, Judged],
) -> None:
    assert judged["fc_image_size"].message == (
        "fc1 Linear is constructed for 9216 features, and receives 12544 = 64 x 14 x 14"
    )
