"""The `score` command as the author of a tool meets it: figures, records, regressions, limits."""

from __future__ import annotations

import json
import sys
import tomllib
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.score.checkpoint import Checkpoint
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.util import cache

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return tmp_path / "tool.py"


@pytest.fixture
def score(
    harness: Command, server: ForkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    monkeypatch.setattr(
        "broken_convnets.commands.score.survey.open_torch_runner", lambda _: nullcontext(server)
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return harness


def _saying(tool: Path, status: str) -> list[str]:
    """Write a tool that gives one status for every program."""
    tool.write_text(
        "import json, sys\n"
        "json.load(sys.stdin)\n"
        f"status = {status!r}\n"
        "finding = {'message': 'bad', 'location': {'line': 1, 'role': 'cause'}}\n"
        "findings = [finding] if status == 'flagged' else []\n"
        "print(json.dumps({'status': status, 'findings': findings}))\n"
    )
    return ["score", "--exec", f"{sys.executable} {tool}"]


def test_who_always_says_yes_has_a_headline_of_nothing(score: Command, tool: Path) -> None:
    told = score.json(*_saying(tool, "flagged"))
    assert told["score"]["recall"]["all"]["count"] == 1
    assert told["score"]["alarms"]["all"]["count"] == 2
    assert told["score"]["headline"]["value"] == 0
    assert told["score"]["twins"]["told_apart"]["count"] == 0


def test_who_always_says_no_finds_nothing(score: Command, tool: Path) -> None:
    told = score.json(*_saying(tool, "clean"))
    assert told["score"]["recall"]["all"]["count"] == 0
    assert told["score"]["headline"]["value"] == 0
    assert told["score"]["missed"] == ["shape/pair"]


def test_a_person_reads_who_what_and_what_was_missed(score: Command, tool: Path) -> None:
    done = score(*_saying(tool, "clean"), "--name", "no[b]body")
    assert done.code == 0
    assert done.out.startswith("no[b]body unknown, torch ")
    assert "missed: 1\n  shape/pair" in done.out
    assert "asking no[b]body about 3 programs" in done.err


def test_what_is_recorded_is_the_same_three_times_and_a_loss_is_named(
    score: Command, tool: Path
) -> None:
    book = score.root / "results" / "tools" / "mine.toml"
    told = [*_saying(tool, "flagged"), "--name", "mine"]
    seen = set()
    for _ in range(3):
        assert score(*told, "--update").code == 0
        seen.add(book.read_bytes())
    assert len(seen) == 1
    assert (book.parent / "README.md").read_text().startswith("# How diagnostic tools do")
    assert score(*told, "--fail-on-regression").code == 0
    blind = [*_saying(tool, "clean"), "--name", "mine", "--fail-on-regression"]
    done = score(*blind)
    assert done.code == 1
    assert "shape/pair broken: no longer flags it" in done.out
    assert score(*blind[:-1]).code == 0


def test_a_recorded_miss_that_is_found_fails_until_it_is_recorded(
    score: Command, tool: Path
) -> None:
    assert score(*_saying(tool, "clean"), "--name", "mine", "--update").code == 0
    better = [*_saying(tool, "flagged"), "--name", "mine"]
    done = score(*better, "--fail-on-regression", "--only", "shape")
    assert done.code == 1
    assert "shape/pair broken: listed as a miss and is none" in done.out


def test_some_programs_are_recorded_anew_beside_the_others(score: Command, tool: Path) -> None:
    book = score.root / "results" / "tools" / "mine.toml"
    quiet = [*_saying(tool, "clean"), "--name", "mine", "--update"]
    assert score(*quiet).code == 0
    whole = book.read_bytes()
    assert score(*quiet, "--only", "shape").code == 0
    assert book.read_bytes() == whole
    loud = [*_saying(tool, "flagged"), "--name", "mine", "--update", "--only", "dtype"]
    assert score(*loud).code == 0
    assert tomllib.loads(book.read_text())["misses"] == ["dtype/myth control", "shape/pair broken"]
    book.write_text(book.read_text().replace('version = "unknown"', 'version = "1"'))
    done = score(*loud)
    assert done.code == 2
    assert "recorded is 1 under torch" in done.err


def test_an_interrupted_run_goes_on_and_forgets_when_it_is_done(
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
    monkeypatch.setattr(
        "broken_convnets.commands.score.survey.open_torch_runner", ForkServer
    )  # one that may be left
    first = score(*_saying(tool, "clean"))
    assert first.code == 130
    assert "the same command goes on from here" in first.err
    (kept,) = cache.folder("score").iterdir()
    kept.write_bytes(kept.read_bytes() + b'{"id": "cut o')
    second = score(*_saying(tool, "clean"))
    assert "going on, 2 of 3 programs are known" in second.err
    assert second.code == 0
    assert list(cache.folder("score").iterdir()) == []


def test_several_tools_are_asked_in_one_go(
    score: Command, monkeypatch: pytest.MonkeyPatch, server: ForkServer
) -> None:
    opened = []
    monkeypatch.setattr(
        "broken_convnets.commands.score.survey.open_torch_runner",
        lambda _: nullcontext(opened.append(1) or server),  # type: ignore[func-returns-value]  # counts, too
    )
    both = score.json("score", "traceback", "anomaly", "traceback")
    assert [one["score"]["tool"] for one in both] == ["traceback", "anomaly"]
    assert len(opened) == 1
    for one in both:
        assert score.json("score", one["score"]["tool"])["programs"] == one["programs"]


def test_an_interruption_in_the_second_tool_keeps_the_first(
    score: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeps, left = Checkpoint.add, [3 + 1]

    def stops(self: object, result: object) -> None:
        keeps(self, result)  # type: ignore[arg-type]  # it is patched in as a method
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "add", stops)
    monkeypatch.setattr(
        "broken_convnets.commands.score.survey.open_torch_runner", ForkServer
    )  # one that may be left
    assert score("score", "traceback", "anomaly").code == 130
    second = score("score", "traceback", "anomaly")
    assert "traceback: going on, 3 of 3 programs are known" in second.err
    assert "anomaly: going on, 1 of 3 programs are known" in second.err
    assert list(cache.folder("score").iterdir()) == []


def test_a_changed_tool_is_not_taken_for_the_interrupted_one(
    score: Command, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "broken_convnets.commands.score.checkpoint.Unfinished.finish", lambda _: None
    )
    score(*_saying(tool, "clean"))
    told = score.json(*_saying(tool, "flagged"), "--name", "other")
    assert told["score"]["recall"]["all"]["count"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name tools, or give one of --exec, --sarif and --predictions"),
        (["ruff", "--exec", "true"], "name tools, or give one of"),
        (["traceback", "anomaly", "--book", "x"], "--book and --sarif-out are for one tool"),
        (["nobody"], "there is no tool called 'nobody': choose from"),
        (["--exec", "no-such-program"], "--exec no-such-program: there is no such executable"),
        (["--exec", "'"], "--exec ': No closing quotation"),
        (["--exec", "true", "--only", "nothing"], "no case, control or topic is named 'nothing'"),
        (["--exec", "true", "--executor", "os:getcwd"], "gives a str, which has no submit()"),
        (["--exec", "true", "--name", "../mine"], "--name ../mine: is that of a bundled tool, or"),
        (["--exec", "true", "--name", "ruff"], "--name ruff: is that of a bundled tool, or no"),
        (["--exec", "true", "--fail-on-regression"], "nothing is recorded of true: record it"),
        (["--sarif", "no-such-file"], "no-such-file"),
        (["--predictions", "no-such-file"], "no-such-file"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    score: Command, arguments: list[str], sentence: str
) -> None:
    done = score("score", *arguments)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert sentence in done.err
    assert not (score.root / "results" / "tools").exists()


def test_the_schema_is_printed_without_a_tool(score: Command) -> None:
    assert json.loads(score("score", "--schema").out)["$defs"]["Request"]
