"""`list`, `show`, `lint` and `new`: fast, without torch, and safe in a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.new.skeleton import SPEC
from broken_convnets.corpus.lint import lint
from broken_convnets.corpus.spec import Broken, CaseSpec, Healthy
from kit import HEALTHY, RAISES, SAYS, Pair, Solo, corpus_of, put

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def test_list_has_a_row_or_an_object_per_entry(harness: Command) -> None:
    put(harness.root / "cases/loss/half.py", HEALTHY)
    listed = {item["id"]: item["kind"] for item in harness.json("list")}
    assert listed == {"shape/pair": "pair", "dtype/myth": "control", "loss/half": "invalid"}
    rows = harness("list").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == sorted(listed)
    assert [item["id"] for item in harness.json("list", "shape")] == ["shape/pair"]


def test_show_has_the_message_the_diff_and_the_reasons(harness: Command) -> None:
    harness("reproduce", "--update")
    page = harness("show", "pair").out
    for text in (
        SAYS,
        f"- {' ' * 8}return {RAISES}   ◄ raises here",
        f"+ {' ' * 8}return self.fc(",
        "fc Linear",
        "It flattens too little.",
        "https://example.org/question",
    ):
        assert text in page
    assert "This cannot work." in harness("show", "dtype/myth").out
    assert harness.json("show", "pair")["programs"]["fixed"] == HEALTHY
    assert harness.json("show", "pair")["record"]["verdict"] == "reproduced"


def test_show_of_a_topic_lists_its_entries(harness: Command) -> None:
    corpus_of(harness.root, {"shape/one": Pair(), "shape/two": Pair()})
    done = harness("show", "shape")
    assert done.code == 2
    assert "choose one\n  shape/one\n  shape/pair\n  shape/two\n" in done.err


def test_lint_exits_1_for_a_problem(harness: Command) -> None:
    assert harness("lint").code == 0
    put(harness.root / "cases/loss/half.py", HEALTHY)
    done = harness("lint")
    assert done.code == 1
    assert "fixes/loss/half.py: is missing, but cases/loss/half.py exists" in done.out
    assert {item["id"] for item in harness.json("lint")} == {"loss/half"}


def test_a_new_case_needs_only_its_prose(harness: Command) -> None:
    done = harness("new", "loss/my_mistake")
    assert done.code == 0
    names = ["cases/loss/my_mistake.py", "fixes/loss/my_mistake.py", "cases/loss/my_mistake.toml"]
    assert done.out.split() == [str(harness.root / name) for name in names]
    corpus = corpus_of(harness.root, {})
    assert [(problem.file, problem.message.partition(":")[0]) for problem in lint(corpus)] == [
        (names[2], "key `title`")
    ]
    put(harness.root / names[2], (harness.root / "cases/shape/pair.toml").read_text())
    corpus = corpus_of(harness.root, {})
    assert {problem.message.partition(":")[0] for problem in lint(corpus)} == {
        "is identical to the case",
        "key `broken.expression`",
    }


def test_the_template_of_a_new_case_has_only_keys_of_the_format() -> None:
    template = tomllib.loads(SPEC)
    for keys, spec in ((template, CaseSpec), (template["broken"], Broken)):
        assert keys.keys() <= set(spec.__struct_fields__)
    assert template["fixed"].keys() <= set(Healthy.__struct_fields__)


def test_new_starts_a_corpus_in_an_empty_folder(harness: Command) -> None:
    harness.root = harness.root / "mine"
    assert "does not exist: create the folder first" in harness("new", "loss/first").err
    harness.root.mkdir()
    assert harness("new", "loss/first").code == 0
    assert [item["id"] for item in harness.json("list")] == ["loss/first"]


@pytest.mark.parametrize("name", ["loss/pair", "loss/myth", "shape/pair"])
def test_new_rejects_an_id_in_use(name: str, harness: Command) -> None:
    done = harness("new", name)
    assert done.code == 2
    assert "is in use by" in done.err
    assert not (harness.root / "cases/loss").exists()


@pytest.mark.parametrize("name", ["pair", "Loss/x", "a/b/c", "../x/y", "loss/", "loss/1x", "a/x-y"])
def test_new_rejects_an_invalid_id(name: str, harness: Command) -> None:
    done = harness("new", name)
    assert done.code == 2
    assert f"invalid id {name!r}: expected <topic>/<id> in lower_snake_case" in done.err


def test_no_color_removes_the_colors(harness: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert not COLOUR.search(harness("show", "pair").out)
    monkeypatch.delenv("NO_COLOR")
    assert COLOUR.search(harness("show", "pair").out)


# Run commands in a new interpreter, and check after each of them what it has imported.
QUICK = """
import json, sys
from broken_convnets.cli import main

for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as end:
        assert not end.code, command
    assert not {"torch", "numpy"} & set(sys.modules), command
"""


def test_the_quick_commands_never_import_torch(tmp_path: Path) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    commands = [
        ["list"],
        ["list", "--json"],
        ["show", "pair"],
        ["show", "pair", "--json"],
        ["explain", "KeyError: 3"],
        ["explain", SAYS, "--json"],
        ["lint"],
        ["site", "--out", str(tmp_path / "site")],
        ["new", "loss/mine"],
        *(
            ["learn", mode, "--work", str(tmp_path / "work")]
            for mode in ("--list", "--report", "--reset")
        ),
    ]
    commands = [[*command, "--corpus", str(tmp_path)] for command in commands]
    questions = json.dumps(
        [*commands, ["--help"], *([name, "--help"] for name in ("reproduce", "diagnose", "trace"))]
    )
    done = subprocess.run(
        [sys.executable, "-c", QUICK, questions], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# Slow imports, by the commands that do not need them.
RANKING, RECORDS, REPORT = (
    import_module(f"broken_convnets.{name}").__name__  # a module that has moved is an error here
    for name in ("commands.explain.ranking", "verdicts.records", "commands.reproduce.report")
)
NEEDLESS = {
    "list": {
        "argcomplete",
        "importlib.metadata",
        "rich",
        "packaging",
        "psutil",
        "difflib",
        RECORDS,
        RANKING,
    },
    "show": {"argcomplete", "rich.table", "packaging", "psutil", REPORT, RANKING},
    "explain": {"argcomplete", "rich", "packaging", "psutil", REPORT, RECORDS},
}
LOADED = """
import json, sys
from broken_convnets.cli import main

main(json.loads(sys.argv[1]))
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("command", [["list"], ["show", "missing_return"], ["explain", SAYS]])
def test_a_quick_command_imports_only_what_it_needs(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(command)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stderr))
    assert "broken_convnets.corpus.entries" in loaded
    assert not NEEDLESS[command[0]] & loaded


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--json"],
        ["show", "pair"],
        ["show", "pair", "--json"],
        ["lint"],
        ["explain", "KeyError: 3"],
        ["explain", SAYS, "--json"],
    ],
)
def test_a_closed_pipe_causes_no_traceback(command: list[str], tmp_path: Path) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    put(tmp_path / "cases/loss/half.py", HEALTHY)
    buffered = {key: text for key, text in os.environ.items() if key != "PYTHONUNBUFFERED"}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "broken_convnets", *command, "--corpus", tmp_path],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=buffered,
    )
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
