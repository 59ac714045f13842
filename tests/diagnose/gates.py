"""The gates of `diagnose`: `nox -s gates` runs them, in about a quarter of an hour.

Healthy programs cause no alarm and run as if they were not recorded, and no count of what is
found in broken programs drops below the floors, which `python -m experiments.measure_diagnose
--update` writes to floors.toml.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.diagnose.findings import Finding, Location

from experiments.diagnose_measure import (
    COUNTS,
    MeasuredProgram,
    Measurement,
    Truth,
    broken_corpus,
    fork_server,
    healthy_corpus,
    healthy_others,
    measure,
    written_mutants,
)
from experiments.measure_diagnose import summary
from experiments.transparency import visible_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.sandbox.runner import Runner

FLOORS = tomllib.loads(Path(__file__).with_name("floors.toml").read_text(encoding="utf-8"))
ALARMS_IN_100 = 1  # on healthy programs outside the corpus

BROKEN = MeasuredProgram(
    "broken",
    Path("/x/broken.py"),
    Truth(silent=True, kinds=frozenset({"training/a"}), cause=frozenset({("broken.py", 3)})),
)
ALARM = Finding(kind="training/a", message="", evidence="", cause=Location("/x/broken.py", 3))


@pytest.fixture(scope="module")
def server() -> Iterator[Runner]:
    with fork_server() as runner:
        yield runner


def alarms(found: list[Measurement]) -> list[str]:
    return [
        f"{one.program.name}: {alarm.rule} {alarm.cause}" for one in found for alarm in one.alarms
    ]


def failures(found: list[Measurement]) -> list[str]:
    return [f"{one.program.name}: {one.failure}" for one in found if one.failure]


def below_floor(found: list[Measurement], floor: dict[str, Any]) -> dict[str, str]:
    counted = summary(found)
    return {
        name: f"{counted[name]} instead of {floor[name]}"
        for name in ("programs", *COUNTS)
        if counted[name] < floor[name]
    }


def test_a_healthy_program_of_the_corpus_causes_no_alarm(server: Runner) -> None:
    found = measure(server, healthy_corpus())
    assert not failures(found)
    assert not alarms(found)


def test_at_most_one_other_healthy_program_in_100_causes_an_alarm(server: Runner) -> None:
    found = measure(server, healthy_others())
    assert not failures(found)
    flagged = [one for one in found if one.alarms]
    assert len(flagged) <= len(found) * ALARMS_IN_100 / 100, alarms(found)


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "loud"])
def test_cases_of_the_corpus_are_found_as_before(server: Runner, *, silent: bool) -> None:
    found = measure(server, broken_corpus(silent=silent))
    assert not below_floor(found, FLOORS["corpus_silent" if silent else "corpus_loud"])


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "loud"])
def test_mutants_are_found_as_before(server: Runner, tmp_path: Path, *, silent: bool) -> None:
    found = measure(server, written_mutants(tmp_path, silent=silent))
    assert not below_floor(found, FLOORS["mutants_silent" if silent else "mutants_loud"])


@pytest.mark.parametrize("programs", [healthy_corpus, healthy_others])
def test_a_recorded_program_runs_as_if_it_were_not(
    server: Runner, programs: Callable[[], list[MeasuredProgram]], tmp_path: Path
) -> None:
    found = visible_differences(server, [one.path for one in programs()], tmp_path)
    assert found == {}


def test_a_program_that_notices_the_recorder_is_named(server: Runner, tmp_path: Path) -> None:
    path = tmp_path / "notices.py"
    path.write_text(
        "import torch\nprint(torch.overrides._get_current_function_mode_stack())\n",
        encoding="utf-8",
    )
    assert visible_differences(server, [path], tmp_path) == {path: "stdout"}


def test_a_program_whose_process_fails_is_not_counted_as_clean(
    server: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "dies.py"
    path.write_text("import os\nos._exit(3)\n", encoding="utf-8")
    (found,) = measure(server, [MeasuredProgram("dies", path)])
    assert failures([found])


def test_a_healthy_program_that_raises_is_a_failure(server: Runner, tmp_path: Path) -> None:
    path = tmp_path / "raises.py"
    path.write_text("raise ValueError('no')\n", encoding="utf-8")
    (found,) = measure(server, [MeasuredProgram("raises", path)])
    assert "ValueError" in found.failure


def test_an_alarm_counts_only_with_the_right_line_and_kind() -> None:
    right = Measurement(BROKEN, (ALARM,))
    assert right.detected
    assert right.located
    assert right.classified
    elsewhere = replace(ALARM, kind="loss/b", cause=Location("/x/broken.py", 4))
    wrong = Measurement(BROKEN, (elsewhere, ALARM))
    assert wrong.detected
    assert not wrong.located
    assert not wrong.classified
    assert not Measurement(BROKEN).detected


def test_a_drop_below_the_floor_is_named() -> None:
    floor = {"programs": 1, "detected": 1, "located": 1, "classified": 1, "verified": 0}
    assert not below_floor([Measurement(BROKEN, (ALARM,))], floor)
    assert set(below_floor([Measurement(BROKEN)], floor)) == {"detected", "located", "classified"}
