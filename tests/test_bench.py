"""`bench`: verdicts and exit codes, what is refused, what is kept; all on a made-up machine."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from broken_convnets.commands.bench import command as bench_command
from broken_convnets.commands.bench import instructions, stored
from broken_convnets.commands.bench.compare import AGAIN, NEW, OLD, SIDES, Bench, Effort, Team
from broken_convnets.commands.bench.fingerprint import differences, processor, refuse_others
from broken_convnets.commands.bench.protocol import Call, Target
from broken_convnets.commands.bench.stored import BrokenTimes, FixCost
from broken_convnets.errors import RecordError, UsageError
from kit import HEALTHY, Machine, Pair, corpus_of, doing, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.bench.worker_group import Worker
    from conftest import Command

HERE = {"processor": "AMD EPYC", "torch": "2.14.1"}
SLOW = doing("x = x.clone()")
QUICK = ("--seconds", "0.02", "--processes", "2")


class Room(Machine):
    """A made-up machine that takes longer for some programs, and remembers what it was given."""

    def __init__(self, slower: float, stop_at: int = 0) -> None:
        super().__init__()
        self.slower = slower
        self.given: list[dict[str, Target]] = []
        self.pythons: tuple[str, str] = ("", "")
        self.stop_at = stop_at
        self.taken = 0

    def open(self, targets: dict[str, Target]) -> dict[str, float]:
        self.given.append(targets)
        self.taken += 1
        if self.stop_at and self.taken > self.stop_at:
            raise KeyboardInterrupt
        self.takes = dict.fromkeys(SIDES, 2e6)
        for side, target in targets.items():
            self.takes[side] *= self.slower if target.source == SLOW else 1
        return super().open(targets)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    made = Room(slower=1.2)

    @contextmanager
    def open_bench(old: str, new: str, device: str, processes: int) -> Iterator[Bench]:
        assert device == "cpu"
        made.pythons = (old, new)
        team = Team(dict.fromkeys(SIDES, cast("Worker", made)))
        yield Bench([team] * processes, HERE, HERE)

    monkeypatch.setattr("broken_convnets.commands.bench.command.open_bench", open_bench)
    return made


@pytest.fixture
def repository(harness: Command) -> Command:
    """Commit the corpus, with a fix and a control, as it is."""
    git = ["git", "-C", str(harness.root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    return harness


def test_what_became_slower_exits_1_with_the_interval(repository: Command, room: Room) -> None:
    put(repository.root / "fixes/shape/pair.py", SLOW)
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 1
    assert re.search(r"shape/pair +slower +1\.200 +1\.200 to 1\.200 +1\.000 to 1\.000", done.out)
    assert "0 faster, 1 slower, 0 same, 0 undecided, at a margin of 1.0%" in done.out
    assert "tells a program from itself to within ±0.0%" in done.out
    assert room.pythons == (sys.executable,) * 2
    sides = {side: target for each in room.given for side, target in each.items()}
    assert (sides[OLD].source, sides[NEW].source) == (HEALTHY, SLOW)
    assert sides[AGAIN] == sides[OLD]


def test_what_became_faster_or_not_slower_than_the_margin_exits_0(
    repository: Command, room: Room
) -> None:
    put(repository.root / "fixes/shape/pair.py", SLOW)
    assert repository("bench", "--against", "HEAD", "--margin", "0.5", *QUICK).code == 0
    room.slower = 0.8
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 0
    assert "1 faster" in done.out


def test_only_what_changed_is_timed_unless_it_is_named(repository: Command, room: Room) -> None:
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 0
    assert "nothing to time" in done.out
    assert not room.given
    assert "1 same" in repository("bench", "pair", "--against", "HEAD", *QUICK).out


def test_under_another_interpreter_everything_is_timed(harness: Command, room: Room) -> None:
    document = harness.json("bench", "--against-python", "/opt/other/python", *QUICK)
    assert room.pythons == ("/opt/other/python", sys.executable)
    assert {row["id"]: row["comparison"]["speed"] for row in document["entries"]} == {
        "dtype/myth": "same",
        "shape/pair": "same",
    }
    assert document["old"]["fingerprint"] == HERE
    assert (document["noise"], document["interrupted"]) == (0.0, False)


def test_what_is_new_has_nothing_to_be_compared_with(repository: Command, room: Room) -> None:
    corpus_of(repository.root, {"shape/other": Pair()})
    done = repository("bench", "--against", "HEAD", *QUICK)
    assert done.code == 0
    assert re.search(r"shape/other +is not in HEAD", done.out)
    assert not room.given


def test_a_program_that_cannot_be_timed_is_told_and_the_run_goes_on(
    harness: Command, room: Room
) -> None:
    room.fails = True
    done = harness("bench", "--against-python", "python", *QUICK)
    assert done.code == 0
    assert done.out.count("RuntimeError: no") == 2


def test_an_interruption_keeps_what_is_known(harness: Command, room: Room) -> None:
    room.stop_at = 2  # the two processes of the first entry
    done = harness("bench", "--against-python", "python", *QUICK)
    assert done.code == 130
    assert "dtype/myth  same" in done.out
    assert "interrupted: 1 of 2 entries are known" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say against what"),
        (["--against", "nonsense"], "'nonsense' is no commit"),
        (["--against", "--help-me"], "usage: "),
        (["--against=--all"], "'--all' is no commit"),
        (["pear", "--broken"], "did you mean shape/pair"),
        (["--broken", "--margin", "2"], "is not a fraction"),
        (["--broken", "--device", "tpu"], "invalid choice"),
        (["--against-python", "/nowhere/python"], "/nowhere/python cannot be started"),
    ],
)
def test_a_mistake_exits_2_with_a_sentence(
    arguments: list[str], sentence: str, repository: Command
) -> None:
    done = repository("bench", *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_a_corpus_in_no_repository_is_refused(
    harness: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(harness.root.parent))
    done = harness("bench", "--against", "HEAD")
    assert done.code == 2
    assert "no commit of a git repository" in done.err


def test_a_case_is_timed_beside_its_fix_or_until_it_fails(harness: Command, room: Room) -> None:
    corpus_of(harness.root, {"loss/quiet": Pair(HEALTHY, SLOW, silent=("no-warnings",))})
    done = harness("bench", "--broken", "--save", *QUICK)
    assert done.code == 0, "a fix may cost something"
    assert re.search(r"loss/quiet +slower +1\.200", done.out)
    assert re.search(r"shape/pair +fails within 2,000 µs", done.out)
    assert {target.call for each in room.given for target in each.values()} == {
        Call.RUN,
        Call.FAILURE,
    }
    assert "The fix takes 1.20 times as long as the case, 1.20 to 1.20 (torch 2.14.1, AMD EPYC" in (
        harness("show", "quiet").out.replace("\n", " ")
    )
    assert "It fails within 2,000 µs of its start" in harness("show", "pair").out
    assert "How long it takes" not in harness("show", "myth").out


def test_an_interrupted_run_saves_nothing(harness: Command, room: Room) -> None:
    room.stop_at = 1
    assert harness("bench", "--broken", "--save", *QUICK).code == 130
    assert not list(harness.root.glob("results/timing/*"))


COSTS = BrokenTimes("cpu", HERE, "2026-01-01", {"a/b": FixCost(1.1, 1.0, 1.2)}, {"c/d": 5.0})


def test_times_are_added_to_those_of_the_same_fingerprint_and_not_mixed(tmp_path: Path) -> None:
    stored.save(tmp_path, COSTS)
    stored.save(tmp_path, BrokenTimes("cpu", HERE, "2026-01-02", {}, {"e/f": 6.0}))
    both = stored.read(tmp_path, "cpu")
    assert (both.failures_us, both.date) == ({"c/d": 5.0, "e/f": 6.0}, "2026-01-02")
    assert both.fix_costs == COSTS.fix_costs
    elsewhere = BrokenTimes("cpu", {"processor": "other"}, "2026-01-03", {}, {"g/h": 7.0})
    stored.save(tmp_path, elsewhere)
    assert stored.read(tmp_path, "cpu") == elsewhere


def test_damaged_times_are_named(tmp_path: Path) -> None:
    put(stored.path_of(tmp_path, "cpu"), "device = 1")
    with pytest.raises(RecordError, match=r"broken-cpu\.toml"):
        stored.read(tmp_path, "cpu")


def test_stored_times_of_another_machine_are_refused_with_a_sentence() -> None:
    refuse_others(HERE, dict(HERE), "store")
    with pytest.raises(UsageError) as told:
        refuse_others(HERE, {**HERE, "processor": "Xeon", "gpu": "H100"}, "store")
    said = str(told.value)
    assert "gpu unknown against H100; processor AMD EPYC against Xeon" in said
    assert "never rescaled" in said
    assert "--against REV" in said
    assert differences(HERE, HERE) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: fpu avx2 fma sse\n", ("AMD EPYC", "avx2 fma")),
        ("Features\t: fp asimd sve\n", (None, "asimd sve")),
    ],
)
def test_the_processor_is_read(text: str, expected: tuple[Any, str], tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    model, flags = processor(tmp_path / "cpuinfo")
    assert flags == expected[1]
    assert model == (expected[0] or model)
    assert processor(tmp_path / "nowhere")[1] == "unknown"


def test_without_valgrind_instructions_exit_2_with_a_sentence(
    harness: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broken_convnets.commands.bench.instructions.shutil.which", lambda _: None)
    done = harness("bench", "--instructions")
    assert (done.code, done.out) == (2, "")
    assert "needs valgrind, which is not installed: `apt-get install valgrind`" in done.err


def test_instructions_are_those_of_each_programs_own_dump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        folder = options["cwd"]
        assert f"--callgrind-out-file={folder}/counts" in command
        put_dump = "desc: Trigger: Client Request\nsummary: {}\n"
        for number, count in ((1, 9_999), (2, 100), (3, 250)):
            Path(folder, f"counts.{number}").write_text(put_dump.format(count), encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, b'{"a/b": 2, "c/d": null, "e/f": 3}', b"")

    monkeypatch.setattr("broken_convnets.commands.bench.instructions.subprocess.run", run)
    assert instructions.count({"a/b": "", "c/d": "", "e/f": ""}) == {
        "a/b": 100,
        "c/d": None,
        "e/f": 250,
    }


def test_a_valgrind_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, b"", b"line\nillegal instruction\n")
    monkeypatch.setattr(
        "broken_convnets.commands.bench.instructions.subprocess.run", lambda *_, **__: failed
    )
    with pytest.raises(UsageError, match="illegal instruction"):
        instructions.count({"a/b": HEALTHY})


def test_the_command_makes_the_effort_that_the_experiment_measures() -> None:
    parser = argparse.ArgumentParser()
    bench_command.add_options(parser)
    given = parser.parse_args([])
    assert Effort(given.processes, given.seconds) == Effort()
