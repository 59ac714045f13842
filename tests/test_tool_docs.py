"""The examples of docs/tools.md for a tool's tests and pull requests, run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, Document

pytest_plugins = ["pytester"]

PAGE = ROOT / "docs/tools.md"
TOOLS = Document(PAGE, PAGE.read_text(encoding="utf-8"))
MISSED, FOUND = "none/layer_not_called", "none/missing_return"
LINTER = """
class Linter:
    def flags(self, program):
        return program.id in {found}
"""
SUITE = """
def test_flags(broken_convnet, known_misses, linter):
    assert linter.flags(broken_convnet)
"""


def example(language: str, contains: str) -> str:
    """Return the only block of code with this text."""
    (found,) = (block for block in TOOLS.blocks(language) if contains in block)
    return found


def steps() -> list[list[str]]:
    """Return the words of each command that the workflow runs."""
    runs = re.findall(r"- run: (?:>\n)?((?:.+\n)(?: {10,}.+\n)*)", example("yaml", "runs-on"))
    return [shlex.split(" ".join(command.split())) for command in runs]


@pytest.mark.parametrize(
    ("found", "outcomes"),
    [
        ([FOUND], {"passed": 1, "xfailed": 1}),
        ([FOUND, MISSED], {"passed": 1, "failed": 1}),  # better: the list is not current
        ([], {"failed": 1, "xfailed": 1}),
    ],
)
def test_the_conftest_keeps_the_list_of_misses_current(
    found: list[str], outcomes: dict[str, int], pytester: pytest.Pytester
) -> None:
    pytester.syspathinsert()
    pytester.makeconftest(example("python", "MISSED = "))
    pytester.makepyfile(my_linter=LINTER.format(found=found), test_linter=SUITE)
    (tests,) = (words[1:] for words in steps() if words[0] == "pytest")
    chosen = ["-k", f"{FOUND} or {MISSED}"]
    plugin = ["-p", "broken_convnets.pytest_plugin", "-p", "no:cacheprovider"]
    pytester.runpytest_inprocess(*plugin, *tests, *chosen).assert_outcomes(**outcomes)


@pytest.mark.slow
def test_the_workflow_fails_a_pull_request_that_loses_something(tmp_path: Path) -> None:
    tool = example("python", "json.load(sys.stdin)")
    (tmp_path / "my_tool.py").write_text(tool)
    (score,) = (words[1:] for words in steps() if words[0] == "broken-convnets")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            [sys.executable, "-m", "broken_convnets", *words, "--only", FOUND],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    accept = ["--update" if word == "--fail-on-regression" else word for word in score]
    assert run(*accept).returncode == 0
    assert (tmp_path / "my_tool.toml").is_file()
    assert run(*score).returncode == 0
    (tmp_path / "my_tool.py").write_text(tool.replace('"flagged" if findings else ', ""))
    lost = run(*score)
    assert lost.returncode == 1
    assert FOUND in lost.stdout
