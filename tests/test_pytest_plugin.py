"""The fixtures for a tool's own test suite; a suite that does not use them loads nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from broken_convnets.corpus.entries import Case
from kit import our_corpus

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
PLUGIN = "broken_convnets.pytest_plugin"
CORPUS = our_corpus()
DTYPE = CORPUS.select(["dtype"])
CASES = [name for name in DTYPE if isinstance(CORPUS.entries[name], Case)]
CONTROLS = [name for name in DTYPE if name not in CASES]
SUITE = """
import sys

def flags(path):
    return {says}

def test_broken(broken_convnet):
    assert flags(broken_convnet.path)

def test_fixed(fixed_convnet):
    assert not flags(fixed_convnet.path)

def test_control(control_convnet):
    assert not flags(control_convnet.path)
"""


def _run(pytester: pytest.Pytester, suite: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(suite)
    return pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", *arguments)


@pytest.mark.parametrize(
    ("says", "failed"),
    [("True", len(CASES) + len(CONTROLS)), ("False", len(CASES))],
)
def test_each_test_runs_on_each_program(says: str, failed: int, pytester: pytest.Pytester) -> None:
    done = _run(pytester, SUITE.format(says=says), "--convnets", "dtype")
    total = 2 * len(CASES) + len(CONTROLS)
    done.assert_outcomes(failed=failed, passed=total - failed)


def test_the_test_ids_are_those_of_the_corpus(pytester: pytest.Pytester) -> None:
    done = _run(pytester, SUITE.format(says="True"), "--convnets", "dtype", "--collect-only", "-q")
    ids = [line.partition("::")[2] for line in done.outlines if "::" in line]
    assert ids == [
        *(f"test_broken[{name}]" for name in CASES),
        *(f"test_fixed[{name}]" for name in CASES),
        *(f"test_control[{name}]" for name in CONTROLS),
    ]


def test_both_fixtures_receive_one_case(pytester: pytest.Pytester) -> None:
    done = _run(
        pytester,
        """
        import difflib

        def test_pair(broken_convnet, fixed_convnet):
            assert broken_convnet.id == fixed_convnet.id
            assert broken_convnet.truth.cause and fixed_convnet.truth is None
            assert broken_convnet.source != fixed_convnet.source
        """,
        "--convnets",
        "dtype",
    )
    done.assert_outcomes(passed=len(CASES))


def test_path_and_request_reveal_nothing(pytester: pytest.Pytester) -> None:
    done = _run(
        pytester,
        """
        import re

        def opaque(convnet):
            text = str(convnet.path) + convnet.request.id + convnet.request.file
            words = convnet.id.replace("/", "_").split("_")
            return not [word for word in [*words, "broken", "fixed"] if word in text]

        def test_pair(broken_convnet, fixed_convnet):
            for convnet in (broken_convnet, fixed_convnet):
                assert opaque(convnet)
                assert convnet.path.read_text() == convnet.source == convnet.request.source
                assert convnet.request.file == str(convnet.path)
                assert convnet.request.names.inputs == "example_inputs"
                assert (convnet.path.parent / "pyproject.toml").read_text() == ""
            assert broken_convnet.path.parent != fixed_convnet.path.parent
        """,
        "--convnets",
        "dtype/*image*",
        f"--basetemp={pytester.path / 'x'}",
    )
    done.assert_outcomes(passed=len([name for name in CASES if "image" in name]))


def test_ids_and_topics_select_cases(pytester: pytest.Pytester) -> None:
    suite = "def test_one(broken_convnet): pass"
    chosen = _run(pytester, suite, "--convnets", "dtype,missing_return,", "--collect-only", "-q")
    assert len([line for line in chosen.outlines if "::" in line]) == len(CASES) + 1
    every = _run(pytester, suite, "--collect-only", "-q")
    assert len([line for line in every.outlines if "::" in line]) > 100


def test_an_unknown_case_ends_the_session_with_an_error(pytester: pytest.Pytester) -> None:
    done = _run(pytester, SUITE.format(says="True"), "--convnets", "none/missing_retur")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["ERROR: --convnets: no case, control or topic is named *: did you mean none/missing_re*"]
    )


def _python(code: str, folder: Path) -> None:
    paths = os.pathsep.join([str(ROOT / "harness")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True
    )


@pytest.mark.parametrize(
    ("test", "options", "there"),
    [
        ("def test_own(): pass", [], False),
        ("def test_it(broken_convnet): pass", ["--convnets", "missing_return"], True),
    ],
)
def test_torch_is_never_imported_and_the_corpus_only_on_demand(
    test: str, options: list[str], *, there: bool, tmp_path: Path
) -> None:
    (tmp_path / "test_mine.py").write_text(test)
    code = (
        "import sys, pytest; sys.modules['torch'] = None\n"
        f"assert pytest.main({['-p', PLUGIN, '-q', '-W', 'error', *options]}) == 0\n"
        f"assert ('broken_convnets.corpus' in sys.modules) is {there}\n"
        f"assert ('msgspec' in sys.modules) is {there}"
    )
    _python(code, tmp_path)
