"""No repair that keeps the mistake and cheats the law that finds it is `repaired`.

It is what an agent would try that is rewarded for `repaired`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from broken_convnets.commands.learn.judge import Judge
from broken_convnets.corpus.entries import Case, default_root, find
from kit import Remembering, patched

sys.path.append(str(Path(__file__).parent))

import false_repairs_of_files
import false_repairs_of_networks
import false_repairs_of_runs

BY_LAW = (
    false_repairs_of_networks.BY_LAW | false_repairs_of_runs.BY_LAW | false_repairs_of_files.BY_LAW
)

QUICK = (  # one of each kind of defense
    "rows of the last batch",
    "own __call__ in training",
    "moved by hand",
    "right while exported",
)
REPAIRS = {name: repair for of_law in BY_LAW.values() for name, repair in of_law.items()}


def _parameters() -> list[object]:
    return [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in REPAIRS
    ]


@pytest.fixture(scope="module")
def judge(runner: Remembering) -> Judge:
    return Judge(runner=runner)


@pytest.mark.parametrize("name", _parameters())
def test_a_false_repair_is_no_repair(name: str, judge: Judge) -> None:
    case_id, changes = REPAIRS[name]
    case = find(default_root(), case_id)
    assert isinstance(case, Case)
    judgement = judge(case, patched(*changes, source=case.broken))
    assert not judgement.ok
    assert judgement.violated, judgement.reason


def test_a_law_is_cheated_in_the_case_that_violates_it() -> None:
    for law, repairs in BY_LAW.items():
        for case_id, _ in repairs.values():
            case = find(default_root(), case_id)
            assert isinstance(case, Case)
            assert law in case.spec.broken.violates
