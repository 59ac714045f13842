"""The `score` command from end to end: figures, records, regressions, wrong usage."""

from __future__ import annotations

import json
import sys
import tomllib
from contextlib import nullcontext
from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.score.checkpoint import Checkpoint
from broken_convnets.commands.score.metrics.intervals import rate
from broken_convnets.commands.score.metrics.robustness import Robustness
from broken_convnets.commands.score.record import RecordedRobustness, read_record, write_record
from broken_convnets.util import cache

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.fork_client import ForkServer
    from conftest import Command


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return tmp_path / "tool.py"


@pytest.fixture
def score(
    harness: Command, server: ForkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    monkeypatch.setattr(
        "broken_convnets.commands.score.run.open_torch_runner", lambda _: nullcontext(server)
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return harness


def _answering(tool: Path, status: str) -> list[str]:
    """Write a tool that returns one status for every program; return the command line."""
    tool.write_text(
        "import json, sys\n"
        "json.load(sys.stdin)\n"
        f"status = {status!r}\n"
        "finding = {'message': 'bad', 'location': {'line': 1, 'role': 'cause'}}\n"
        "findings = [finding] if status == 'flagged' else []\n"
        "print(json.dumps({'status': status, 'findings': findings}))\n"
    )
    return ["score", "--exec", f"{sys.executable} {tool}", "--both-sides"]


def test_a_tool_that_flags_everything_has_youden_j_0(score: Command, tool: Path) -> None:
    document = score.json(*_answering(tool, "flagged"))
    assert document["score"]["recall"]["all"]["count"] == 1
    assert document["score"]["false_positives"]["all"]["count"] == 2
    assert document["score"]["youden_j"]["value"] == 0
    assert document["score"]["pairs"]["distinguished"]["count"] == 0


def test_a_tool_that_flags_nothing_has_recall_0(score: Command, tool: Path) -> None:
    document = score.json(*_answering(tool, "clean"))
    assert document["score"]["recall"]["all"]["count"] == 0
    assert document["score"]["youden_j"]["value"] == 0
    assert document["score"]["missed"] == ["shape/pair"]


def test_the_report_names_tool_torch_and_misses(score: Command, tool: Path) -> None:
    done = score(*_answering(tool, "clean"), "--name", "no[b]body")
    assert done.code == 0
    assert done.out.startswith("no[b]body unknown, torch ")
    assert "missed: 1\n  shape/pair" in done.out
    assert "running no[b]body on 3 programs" in done.err


def test_the_record_is_reproducible_and_a_regression_fails(score: Command, tool: Path) -> None:
    record = score.root / "results" / "tools" / "mine.toml"
    document = [*_answering(tool, "flagged"), "--name", "mine"]
    seen = set()
    for _ in range(3):
        assert score(*document, "--update").code == 0
        seen.add(record.read_bytes())
    assert len(seen) == 1
    assert (record.parent / "README.md").read_text().startswith("# Diagnostic tools on the corpus")
    assert score(*document, "--fail-on-regression").code == 0
    blind = [*_answering(tool, "clean"), "--name", "mine", "--fail-on-regression"]
    done = score(*blind)
    assert done.code == 1
    assert "shape/pair broken: no longer flags the program" in done.out
    assert score(*blind[:-1]).code == 0


def test_an_outdated_miss_fails(score: Command, tool: Path) -> None:
    assert score(*_answering(tool, "clean"), "--name", "mine", "--update").code == 0
    better = [*_answering(tool, "flagged"), "--name", "mine"]
    done = score(*better, "--fail-on-regression", "--only", "shape")
    assert done.code == 1
    assert "shape/pair broken: is no longer a miss" in done.out


def test_only_updates_the_selected_programs(score: Command, tool: Path) -> None:
    record = score.root / "results" / "tools" / "mine.toml"
    quiet = [*_answering(tool, "clean"), "--name", "mine", "--update"]
    assert score(*quiet).code == 0
    whole = record.read_bytes()
    assert score(*quiet, "--only", "shape").code == 0
    assert record.read_bytes() == whole
    loud = [*_answering(tool, "flagged"), "--name", "mine", "--update", "--only", "dtype"]
    assert score(*loud).code == 0
    assert tomllib.loads(record.read_text())["misses"] == [
        "dtype/myth control",
        "shape/pair broken",
    ]
    record.write_text(record.read_text().replace('version = "unknown"', 'version = "1"'))
    done = score(*loud)
    assert done.code == 2
    assert "the record is from 1 under torch" in done.err


def test_an_update_keeps_what_another_run_recorded_meanwhile(
    score: Command, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = score.root / "results" / "tools" / "mine.toml"
    update = [*_answering(tool, "clean"), "--name", "mine", "--update"]
    assert score(*update).code == 0
    whole = record.read_bytes()
    module = "broken_convnets.commands.score.command"
    monkeypatch.setattr(f"{module}._previous_record", lambda *_: None)  # it began before the other
    assert score(*update, "--only", "shape").code == 0
    assert record.read_bytes() == whole


def test_an_update_without_variants_keeps_the_recorded_robustness(
    score: Command, tool: Path
) -> None:
    path = score.root / "results" / "tools" / "mine.toml"
    command = [*_answering(tool, "clean"), "--name", "mine", "--update"]
    assert score(*command).code == 0
    record = read_record(path)
    assert record is not None
    rates = Robustness(*[rate([True])] * 5)
    measured = msgspec.structs.replace(record, variants=RecordedRobustness(2, 7, rates))
    write_record(path, measured)
    assert score(*command).code == 0
    assert read_record(path) == measured
    write_record(path, msgspec.structs.replace(measured, version="of another version"))
    assert score(*command).code == 0
    assert read_record(path) == record


def test_an_interrupted_run_resumes(
    score: Command, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop:
        left = 2

    def stops(self: object, result: object) -> None:
        keeps(self, result)  # type: ignore[arg-type]  # it is patched in as a method
        Stop.left -= 1
        if Stop.left == 0:
            raise KeyboardInterrupt

    keeps = Checkpoint.add
    monkeypatch.setattr(Checkpoint, "add", stops)
    first = score(*_answering(tool, "clean"))
    assert first.code == 130
    assert "run the same command again to resume" in first.err
    (checkpoint,) = cache.folder("score").iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes() + b'{"id": "cut o')
    second = score(*_answering(tool, "clean"))
    assert "resuming, 2 of 3 programs are done" in second.err
    assert second.code == 0
    assert list(cache.folder("score").iterdir()) == []


def test_several_tools_share_one_runner(
    score: Command, monkeypatch: pytest.MonkeyPatch, server: ForkServer
) -> None:
    opened = []
    monkeypatch.setattr(
        "broken_convnets.commands.score.run.open_torch_runner",
        lambda _: nullcontext(opened.append(1) or server),  # type: ignore[func-returns-value]  # counts, too
    )
    both = score.json("score", "traceback", "anomaly", "traceback", "--both-sides")
    assert [one["score"]["tool"] for one in both] == ["traceback", "anomaly"]
    assert len(opened) == 1
    for one in both:
        assert (
            score.json("score", one["score"]["tool"], "--both-sides")["programs"] == one["programs"]
        )


def test_an_interruption_in_the_second_tool_keeps_the_results_of_the_first(
    score: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeps, left = Checkpoint.add, [3 + 1]

    def stops(self: object, result: object) -> None:
        keeps(self, result)  # type: ignore[arg-type]  # it is patched in as a method
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "add", stops)
    assert score("score", "traceback", "anomaly", "--both-sides").code == 130
    second = score("score", "traceback", "anomaly", "--both-sides")
    assert "traceback: resuming, 3 of 3 programs are done" in second.err
    assert "anomaly: resuming, 1 of 3 programs are done" in second.err
    assert list(cache.folder("score").iterdir()) == []


def test_a_changed_tool_does_not_resume_the_interrupted_run(
    score: Command, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "broken_convnets.commands.score.checkpoint.Checkpoint.delete", lambda _: None
    )
    score(*_answering(tool, "clean"))
    document = score.json(*_answering(tool, "flagged"), "--name", "other")
    assert document["score"]["recall"]["all"]["count"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "pass tool names, or exactly one of --exec, --sarif and --predictions"),
        (["ruff", "--exec", "true"], "pass tool names, or exactly one of"),
        (["traceback", "anomaly", "--recorded", "x"], "--recorded and --sarif-out work with one"),
        (["nobody"], "unknown tool 'nobody': choose from"),
        (["--exec", "no-such-program"], "--exec no-such-program: the executable was not found"),
        (["--exec", "'"], "--exec ': No closing quotation"),
        (["--exec", "true", "--only", "nothing"], "no case, control or topic is named 'nothing'"),
        (["--exec", "true", "--executor", "os:getcwd"], "returned a str, which has no submit()"),
        (["--exec", "true", "--name", "../mine"], "--name ../mine: not usable as a file name"),
        (["--exec", "true", "--name", "ruff"], "--name ruff: a bundled tool has this name"),
        (["--exec", "true", "--fail-on-regression"], "no record of true at "),
        (["--sarif", "x"], "--sarif and --predictions need --key"),
        (["traceback", "--key", "x"], "--key works with --sarif and --predictions"),
        (["--sarif", "x", "--key", "y", "--seed", "1"], "have no effect on answers in a file"),
        (["--sarif", "x", "--key", "no-such-file"], "cannot read no-such-file"),
    ],
)
def test_wrong_usage_is_reported_in_one_sentence(
    score: Command, arguments: list[str], sentence: str
) -> None:
    done = score("score", *arguments)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert sentence in done.err
    assert not (score.root / "results" / "tools").exists()


def test_the_schema_is_printed_without_a_tool(score: Command) -> None:
    assert json.loads(score("score", "--schema").out)["$defs"]["Request"]
