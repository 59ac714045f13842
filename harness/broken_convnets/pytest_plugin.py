"""Test a diagnostic tool on the corpus: fixtures for the tool's own test suite.

pytest finds them where this package is installed. A suite that does not ask for them pays
nothing: the corpus is read when a test does, and torch never is.
"""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.score.programs import Program, Truth
    from broken_convnets.commands.score.protocol import Request

PAIR = ("broken_convnet", "fixed_convnet")
CONTROL = "control_convnet"
SEED = 0  # of the opaque names; a test may well know them
SECONDS = 60.0
CHOSEN = pytest.StashKey["dict[str, dict[str, Program]]"]()


@dataclass(frozen=True)
class ConvNet:
    """One program of the corpus, in a folder of its own.

    `path` and `request` tell a tool nothing of what the program is. `id`, that of the corpus,
    and `truth` (None for a healthy program) are for the assertions of the test.
    """

    id: str
    source: str
    path: Path
    request: Request
    truth: Truth | None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses."""
    group = parser.getgroup("broken-convnets", "the programs of Broken ConvNets")
    group.addoption(
        "--convnets",
        default="",
        metavar="IDS",
        help="ids, topics or globs, with commas between (default: all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the corpus early where some of it is chosen: a mistake there ends the session."""
    if config.getoption("convnets"):
        _chosen(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for programs once for each of them, under the ids of the corpus.

    A test that asks for a broken program and a fixed one gets the two sides of one case.
    """
    pair = [name for name in PAIR if name in metafunc.fixturenames]
    if pair:
        cases = [found for found in _chosen(metafunc.config).values() if CONTROL not in found]
        values = [[found[name] for name in pair] for found in cases]
        metafunc.parametrize(pair, values, indirect=True, ids=[row[0].entry for row in values])
    if CONTROL in metafunc.fixturenames:
        controls = [
            found[CONTROL] for found in _chosen(metafunc.config).values() if CONTROL in found
        ]
        ids = [program.entry for program in controls]
        metafunc.parametrize(CONTROL, controls, indirect=True, ids=ids)


@pytest.fixture
def broken_convnet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvNet:
    """Give each broken program of the corpus in turn."""
    return _laid_out(request.param, tmp_path_factory)


@pytest.fixture
def fixed_convnet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvNet:
    """Give each fixed program in turn, which differs from a broken one by the fix alone."""
    return _laid_out(request.param, tmp_path_factory)


@pytest.fixture
def control_convnet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvNet:
    """Give each program in turn that looks broken and works."""
    return _laid_out(request.param, tmp_path_factory)


def _chosen(config: pytest.Config) -> dict[str, dict[str, Program]]:
    """Return the programs of each chosen entry, by the fixture that gives them."""
    from broken_convnets.commands.score.programs import is_here, programs  # noqa: PLC0415  (likewise)
    from broken_convnets.corpus.entries import default_root, load  # noqa: PLC0415  (most suites never come here)
    from broken_convnets.errors import UsageError  # noqa: PLC0415  (likewise)

    if CHOSEN not in config.stash:
        corpus, release = load(default_root()), _release()
        patterns = [text for text in config.getoption("convnets").split(",") if text]
        try:
            names = corpus.select(patterns)
        except UsageError as error:
            message = f"--convnets: {error}"
            raise pytest.UsageError(message) from None
        entries = [
            entry
            for name in names
            if (entry := corpus.entries.get(name)) and is_here(entry, release)
        ]
        found: dict[str, dict[str, Program]] = {entry.id: {} for entry in entries}
        for program in programs([(0, entry) for entry in entries], SEED, release):
            found[program.entry][f"{program.side}_convnet"] = program
        config.stash[CHOSEN] = found
    return config.stash[CHOSEN]


def _laid_out(program: Program, folders: pytest.TempPathFactory) -> ConvNet:
    """Write a program where not even the path, which a test's own would, names the case."""
    from broken_convnets.commands.score.protocol import Request  # noqa: PLC0415  (likewise)
    from broken_convnets.commands.score.workspace import lay_out, names_of  # noqa: PLC0415  (as above)

    path = lay_out(program.id, program.source, folders.mktemp("convnets"))
    request = Request(
        program.id, str(path), program.source, names_of(program.source), sys.executable, SECONDS
    )
    return ConvNet(program.entry, program.source, path, request, program.truth)


def _release() -> str:
    """Return which torch is installed, without loading it; empty for none."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""
