"""Fixtures: the programs of the corpus, for the tests of a tool, and a diagnosis of a test.

pytest finds the plugin wherever this package is installed. It reads the corpus only for tests
that use its fixtures, and imports torch only for `torch_diagnosis`.
"""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broken_convnets.commands.diagnose.api import CodeDiagnosis
    from broken_convnets.commands.score.programs.program import CorpusProgram, GroundTruth
    from broken_convnets.commands.score.protocol.messages import Request

PAIR = ("broken_convnet", "fixed_convnet")
CONTROL = "control_convnet"
SEED = 0  # of the opaque ids
SECONDS = 60.0
SELECTED = pytest.StashKey["dict[str, dict[str, CorpusProgram]]"]()


@dataclass(frozen=True)
class ConvNet:
    """One program of the corpus, in its own folder.

    `path` and `request` do not reveal what the program is. `id`, the id in the corpus, and
    `truth`, None for a healthy program, are for the assertions of the test.
    """

    id: str
    source: str
    path: Path
    request: Request
    truth: GroundTruth | None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --convnets."""
    group = parser.getgroup("broken-convnets", "the programs of Broken ConvNets")
    group.addoption(
        "--convnets",
        default="",
        metavar="IDS",
        help="comma-separated ids, topics or globs of the corpus (default: all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the value of --convnets before the tests are collected."""
    if config.getoption("convnets"):
        _selected(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test that uses the fixtures by the programs, with their ids.

    A test that uses both `broken_convnet` and `fixed_convnet` gets the pair of one case.
    """
    pair = [name for name in PAIR if name in metafunc.fixturenames]
    if pair:
        cases = [one for one in _selected(metafunc.config).values() if CONTROL not in one]
        values = [[case[name] for name in pair] for case in cases]
        metafunc.parametrize(pair, values, indirect=True, ids=[row[0].entry for row in values])
    if CONTROL in metafunc.fixturenames:
        selected = _selected(metafunc.config).values()
        controls = [one[CONTROL] for one in selected if CONTROL in one]
        ids = [program.entry for program in controls]
        metafunc.parametrize(CONTROL, controls, indirect=True, ids=ids)


@pytest.fixture
def broken_convnet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvNet:
    """Each broken program of the corpus."""
    return _written(request.param, tmp_path_factory)


@pytest.fixture
def fixed_convnet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvNet:
    """Each fixed program, which differs from a broken one only by the fix."""
    return _written(request.param, tmp_path_factory)


@pytest.fixture
def control_convnet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvNet:
    """Each control: a program that looks broken but works."""
    return _written(request.param, tmp_path_factory)


def _selected(config: pytest.Config) -> dict[str, dict[str, CorpusProgram]]:
    """Return the programs of each selected entry, by fixture name."""
    # Imported here, because most test suites do not use the fixtures.
    from broken_convnets.commands.score.programs.program import (  # noqa: PLC0415  (see above)
        applies_to,
        corpus_programs,
    )
    from broken_convnets.corpus.entries import default_root, load  # noqa: PLC0415  (see above)
    from broken_convnets.errors import UsageError  # noqa: PLC0415  (see above)

    if SELECTED not in config.stash:
        corpus, release = load(default_root()), _torch_release()
        patterns = [text for text in config.getoption("convnets").split(",") if text]
        try:
            names = corpus.select(patterns)
        except UsageError as error:
            message = f"--convnets: {error}"
            raise pytest.UsageError(message) from None
        entries = [
            entry
            for name in names
            if (entry := corpus.entries.get(name)) and applies_to(entry, release)
        ]
        selected: dict[str, dict[str, CorpusProgram]] = {entry.id: {} for entry in entries}
        for program in corpus_programs([(0, entry) for entry in entries], SEED, release):
            selected[program.entry][f"{program.role}_convnet"] = program
        config.stash[SELECTED] = selected
    return config.stash[SELECTED]


def _written(program: CorpusProgram, folders: pytest.TempPathFactory) -> ConvNet:
    """Write a program to a folder whose path, unlike `tmp_path`, does not name the case."""
    from broken_convnets.commands.score.programs.workspace import (  # noqa: PLC0415  (only for tests that use the fixtures)
        part_names,
        write_workspace,
    )
    from broken_convnets.commands.score.protocol.messages import Request  # noqa: PLC0415  (likewise)

    path = write_workspace(program.id, program.source, folders.mktemp("convnets"))
    names = part_names(program.source)
    request = Request(program.id, str(path), program.source, names, sys.executable, SECONDS)
    return ConvNet(program.entry, program.source, path, request, program.truth)


def _torch_release() -> str:
    """Return the version of the installed torch without importing it; empty if not installed."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


@pytest.fixture
def torch_diagnosis() -> Iterator[CodeDiagnosis]:
    """Record the code of the test; fail the test if something is wrong with it.

    It checks what `broken-convnets diagnose` checks in a program, except what never happens.
    """
    from broken_convnets.commands.diagnose.api import CodeDiagnosis  # noqa: PLC0415  (imports torch)

    with CodeDiagnosis(quiet=True) as found:
        yield found
    if found.errors:
        pytest.fail(str(found), pytrace=False)
