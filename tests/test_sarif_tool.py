"""A SARIF log is scored under the tool's own name and version, with the kinds of its rules."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.score.programs.key import read_key
from broken_convnets.commands.score.programs.program import ProgramRole
from kit import put

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.fork_client import ForkServer
    from conftest import Command

DRIVER = {"name": "acme", "version": "1.2", "rules": [{"id": "A1"}]}


class Log:
    """Programs that were handed out, and a SARIF log with one result for the broken one."""

    def __init__(self, harness: Command, folder: Path) -> None:
        """Hand out both sides."""
        self._harness, self._folder = harness, folder
        harness("programs", "--out", str(folder / "out"), "--both-sides")

    def score(self, driver: dict[str, Any], *options: str, **properties: str) -> list[str]:
        """Write the log, and return the arguments that score it."""
        listed = read_key(self._folder / "out.key.json").programs
        files = [{"location": {"uri": f"net_{one.id}.py"}} for one in listed]
        broken = next(one.id for one in listed if one.role is ProgramRole.BROKEN)
        place = {"physicalLocation": {"artifactLocation": {"uri": f"net_{broken}.py"}}}
        result = {
            "message": {"text": "wrong"},
            "level": "error",
            "ruleId": "A1",
            "locations": [place],
            "properties": properties,
        }
        run = {"tool": {"driver": driver}, "artifacts": files, "results": [result]}
        put(self._folder / "ruff.sarif", json.dumps({"version": "2.1.0", "runs": [run]}))
        key = ["--key", str(self._folder / "out.key.json")]
        return ["score", "--sarif", str(self._folder / "ruff.sarif"), *key, *options]


@pytest.fixture
def log(
    harness: Command, server: ForkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Log:
    monkeypatch.setattr(
        "broken_convnets.commands.score.run.open_torch_runner", lambda _: nullcontext(server)
    )
    return Log(harness, tmp_path)


@pytest.mark.parametrize(
    ("driver", "options", "named"),
    [
        (DRIVER, [], ("acme", "1.2")),
        (DRIVER | {"semanticVersion": "1.2.3"}, [], ("acme", "1.2.3")),
        (DRIVER, ["--name", "mine"], ("mine", "1.2")),
        ({"name": "ruff"}, [], ("ruff-own", "")),
        ({"name": ""}, [], ("ruff-own", "")),
    ],
)
def test_the_log_names_the_tool(
    driver: dict[str, Any], options: list[str], named: tuple[str, str], log: Log, harness: Command
) -> None:
    score = harness.json(*log.score(driver, *options))["score"]
    assert (score["tool"], score["version"]) == named


def test_a_name_that_is_a_path_is_rejected(log: Log, harness: Command) -> None:
    done = harness(*log.score({"name": "../../acme"}))
    assert done.code == 2
    assert "the name of the tool is not usable as a file name; pass --name" in done.err


def test_rules_have_the_kinds_of_the_file(log: Log, harness: Command, tmp_path: Path) -> None:
    put(tmp_path / "kinds.toml", 'A1 = "shape/flatten"\n')
    kinds = ["--kinds", str(tmp_path / "kinds.toml")]
    for options, properties, kind in (
        ([], {}, "other"),
        (kinds, {}, "shape/flatten"),
        (kinds, {"kind": "shape"}, "shape"),
    ):
        programs = harness.json(*log.score(DRIVER, *options, **properties))["programs"]
        assert programs["shape/pair"]["broken"]["kind"] == kind


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('A1 = "shape/no_such_kind"', "kinds.toml, A1: unknown kind 'shape/no_such_kind'"),
        ("A1 = 3", "kinds.toml, A1: the kind is not a string"),
        ('a.b = "shape"', "kinds.toml, a: the kind is not a string; quote a rule with dots"),
        ("A1", 'expected lines such as "F821" = "none/forward_missing_return"'),
        ("\udcff", "expected lines such as"),
        (None, "cannot read"),
    ],
)
def test_a_wrong_file_of_kinds_is_rejected(
    text: str | None, sentence: str, log: Log, harness: Command, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "kinds.toml").write_bytes(text.encode(errors="surrogateescape"))
    done = harness(*log.score(DRIVER, "--kinds", str(tmp_path / "kinds.toml")))
    assert done.code == 2
    assert sentence in done.err


def test_kinds_need_a_log(harness: Command) -> None:
    done = harness("score", "traceback", "--kinds", "kinds.toml")
    assert done.code == 2
    assert "--kinds works with --sarif only" in done.err
