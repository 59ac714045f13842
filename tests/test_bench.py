"""`bench`: verdicts and exit codes, rejected arguments, saved times; on a simulated machine."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.bench import command as bench_command
from broken_convnets.commands.bench import stored
from broken_convnets.commands.bench.compare import CannotTime, Effort
from broken_convnets.commands.bench.fingerprint import differences, processor, refuse_others
from broken_convnets.commands.bench.stored import BrokenTimes, FixCost
from broken_convnets.commands.bench.timing_job import Call, TimedProgram
from broken_convnets.commands.bench.verdict import MARGIN, Round
from broken_convnets.errors import RecordError, UsageError
from kit import HEALTHY, Pair, corpus_of, doing, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Command

HERE = {"processor": "AMD EPYC", "torch": "2.14.1"}
SLOW = doing("x = x.clone()")
QUICK = ("--seconds", "0.02", "--processes", "2")


class SimulatedBench:
    """Programs take 2 ms each, and SLOW ones longer by a factor; requests are recorded."""

    def __init__(self, slower: float) -> None:
        self.slower = slower
        self.programs: list[tuple[TimedProgram, ...]] = []
        self.pythons: tuple[str, str] = ("", "")
        self.interrupt_after = 0
        self.error = ""
        self.old = self.new = HERE

    def compare(self, old: TimedProgram, new: TimedProgram, effort: Effort) -> list[list[Round]]:
        before, after = self._time(old, new)
        return [[Round(before, after, before)] * 3] * effort.processes

    def time_alone(self, program: TimedProgram, effort: Effort) -> float:
        assert effort.processes
        return self._time(program)[0]

    def _time(self, *programs: TimedProgram) -> list[float]:
        if self.error:
            raise CannotTime(self.error)
        self.programs.append(programs)
        if len(self.programs) == self.interrupt_after:
            raise KeyboardInterrupt
        return [2e6 * (self.slower if each.source == SLOW else 1) for each in programs]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimulatedBench:
    simulated = SimulatedBench(slower=1.2)

    @contextmanager
    def open_bench(old: str, new: str, device: str, effort: Effort) -> Iterator[SimulatedBench]:
        assert device == "cpu"
        assert effort in {Effort(2, 0.02), Effort()}
        simulated.pythons = (old, new)
        yield simulated

    monkeypatch.setattr("broken_convnets.commands.bench.command.open_bench", open_bench)
    return simulated


@pytest.fixture
def repository(harness: Command) -> Command:
    """Commit the corpus, with a fix and a control, as it is."""
    git = ["git", "-C", str(harness.root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    return harness


def test_a_slower_program_exits_1_with_the_interval(
    repository: Command, bench: SimulatedBench
) -> None:
    put(repository.root / "fixes/shape/pair.py", SLOW)
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 1
    assert re.search(r"shape/pair +slower +1\.200 +1\.200 to 1\.200 +1\.000 to 1\.000", done.out)
    assert "0 faster, 1 slower, 0 same, 0 undecided, at a margin of 1.0%" in done.out
    assert "A/A noise on this machine: ±0.0%" in done.out
    assert bench.pythons == (sys.executable,) * 2
    assert [[each.source for each in programs] for programs in bench.programs] == [[HEALTHY, SLOW]]


def test_a_faster_program_or_one_within_the_margin_exits_0(
    repository: Command, bench: SimulatedBench
) -> None:
    put(repository.root / "fixes/shape/pair.py", SLOW)
    assert repository("bench", "--against", "HEAD", "--margin", "0.5", *QUICK).code == 0
    bench.slower = 0.8
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 0
    assert "1 faster" in done.out


def test_only_changed_programs_are_timed_unless_an_id_is_given(
    repository: Command, bench: SimulatedBench
) -> None:
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 0
    assert "nothing to time" in done.out
    assert not bench.programs
    assert "1 same" in repository("bench", "pair", "--against", "HEAD", *QUICK).out


def test_every_program_is_timed_under_another_interpreter(
    harness: Command, bench: SimulatedBench
) -> None:
    document = harness.json("bench", "--against-python", "/opt/other/python", *QUICK)
    assert bench.pythons == ("/opt/other/python", sys.executable)
    assert {row["id"]: row["comparison"]["speed"] for row in document["entries"]} == {
        "dtype/myth": "same",
        "shape/pair": "same",
    }
    assert document["entries"][0]["comparison"]["control"] == {"low": 1, "median": 1, "high": 1}
    assert document["old"]["fingerprint"] == HERE
    assert (document["noise"], document["interrupted"]) == (0.0, False)


def test_a_new_entry_is_not_compared(repository: Command, bench: SimulatedBench) -> None:
    corpus_of(repository.root, {"shape/other": Pair()})
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 0
    assert re.search(r"shape/other +does not exist in HEAD", done.out)
    assert not bench.programs


def test_a_program_that_cannot_be_timed_is_reported_and_the_run_continues(
    harness: Command, bench: SimulatedBench
) -> None:
    bench.error = "RuntimeError: no"
    done = harness("bench", "--against-python", "python", *QUICK)
    assert done.code == 0
    assert done.out.count("RuntimeError: no") == 2


def test_an_interruption_keeps_the_complete_entries(
    harness: Command, bench: SimulatedBench
) -> None:
    bench.interrupt_after = 2
    done = harness("bench", "--against-python", "python", *QUICK)
    assert done.code == 130
    assert "dtype/myth  same" in done.out
    assert "interrupted: 1 of 2 entries are complete" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "nothing to compare with: pass --against REV"),
        (["--against", "nonsense"], "'nonsense' is "),
        (["--against", "--help-me"], "usage: "),
        (["--against=--all"], "'--all' is "),
        (["pear", "--broken"], "did you mean shape/pair"),
        (["--broken", "--margin", "2"], "is not a fraction"),
        (["--broken", "--device", "tpu"], "invalid choice"),
        (["--against-python", "/nowhere/python"], "cannot start /nowhere/python"),
    ],
)
def test_a_usage_error_exits_2_with_a_sentence(
    arguments: list[str], sentence: str, repository: Command
) -> None:
    done = repository("bench", *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_a_corpus_outside_a_git_repository_is_rejected(
    harness: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(harness.root.parent))
    done = harness("bench", "--against", "HEAD")
    assert done.code == 2
    assert "commit of a git repository" in done.err


def test_a_silent_case_is_compared_with_its_fix_and_another_is_timed_until_it_fails(
    harness: Command, bench: SimulatedBench
) -> None:
    corpus_of(harness.root, {"loss/quiet": Pair(HEALTHY, SLOW, silent=("no-warnings",))})
    done = harness("bench", "--broken", "--save", *QUICK)
    assert done.code == 0, "a fix may cost something"
    assert re.search(r"loss/quiet +slower +1\.200", done.out)
    assert re.search(r"shape/pair +fails after 2,000 µs", done.out)
    assert {each.call for programs in bench.programs for each in programs} == {
        Call.RUN,
        Call.FAILURE,
    }
    assert "The fix takes 1.20 times as long as the case, 1.20 to 1.20 (torch 2.14.1, AMD EPYC" in (
        harness("show", "quiet").out.replace("\n", " ")
    )
    assert "It fails after 2,000 µs" in harness("show", "pair").out
    assert "How long it takes" not in harness("show", "myth").out


def test_an_interrupted_run_saves_nothing(harness: Command, bench: SimulatedBench) -> None:
    bench.interrupt_after = 1
    assert harness("bench", "--broken", "--save", *QUICK).code == 130
    assert not list(harness.root.glob("results/timing/*"))


COSTS = BrokenTimes("cpu", HERE, "2026-01-01", {"a/b": FixCost(1.1, 1.0, 1.2)}, {"c/d": 5.0})


def test_times_are_added_to_those_with_the_same_fingerprint_only(tmp_path: Path) -> None:
    stored.save(tmp_path, COSTS)
    stored.save(tmp_path, BrokenTimes("cpu", HERE, "2026-01-02", {}, {"e/f": 6.0}))
    both = stored.read(tmp_path, "cpu")
    assert (both.failures_us, both.date) == ({"c/d": 5.0, "e/f": 6.0}, "2026-01-02")
    assert both.fix_costs == COSTS.fix_costs
    elsewhere = BrokenTimes("cpu", {"processor": "other"}, "2026-01-03", {}, {"g/h": 7.0})
    stored.save(tmp_path, elsewhere)
    assert stored.read(tmp_path, "cpu") == elsewhere


def test_a_damaged_file_of_times_is_named(tmp_path: Path) -> None:
    put(stored.path_of(tmp_path, "cpu"), "device = 1")
    with pytest.raises(RecordError, match=r"broken-cpu\.toml"):
        stored.read(tmp_path, "cpu")


def test_stored_times_of_another_machine_are_rejected_with_a_sentence() -> None:
    refuse_others(HERE, dict(HERE), "store")
    with pytest.raises(UsageError) as raised:
        refuse_others(HERE, {**HERE, "processor": "Xeon", "gpu": "H100"}, "store")
    message = str(raised.value)
    assert "gpu unknown instead of H100; processor AMD EPYC instead of Xeon" in message
    assert "never rescaled" in message
    assert "--against REV" in message
    assert differences(HERE, HERE) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: fpu avx2 fma sse\n", ("AMD EPYC", "avx2 fma")),
        ("Features\t: fp asimd sve\n", (None, "asimd sve")),
    ],
)
def test_model_and_flags_of_the_processor_are_read(
    text: str, expected: tuple[Any, str], tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    model, flags = processor(tmp_path / "cpuinfo")
    assert flags == expected[1]
    assert model == (expected[0] or model)
    assert processor(tmp_path / "nowhere")[1] == "unknown"


def test_the_defaults_are_those_that_the_experiment_measures() -> None:
    parser = argparse.ArgumentParser()
    bench_command.add_options(parser)
    options = parser.parse_args([])
    assert Effort(options.processes, options.seconds) == Effort()
    assert options.margin == MARGIN
