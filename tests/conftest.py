"""Fixtures that all tests share: runners with torch, which start once, and a command line."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from broken_convnets.observe.runner import PRELOAD, runtime_of

# pytest's importlib mode leaves this to us; the processes of the sandbox import from there too.
sys.path.append(str(Path(__file__).parent))

from broken_convnets.cli import main
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.heap import freeze_heap
from broken_convnets.sandbox.job import Limits
from kit import Pair, Remembering, Solo, corpus_of
from rule_checks import further_programs, programs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from judging import Judged

# The modules that take longest, in processor time: they start first, so that no process is left
# with one of them when the others have nothing to do.
LONGEST = (
    "test_real_corpus.py",
    "test_wheel.py",
    "test_true_fixes.py",
    "test_laws.py",
    "test_sandbox.py",
    "test_learn_check.py",
    "test_teaching.py",
    "test_recorder.py",
    "test_hostile.py",
    "test_interrupt.py",
    "test_site.py",
    "test_size_rules.py",
)

# On a busy machine, threads that wait for each other at every operator burn processor time.
os.environ["OMP_NUM_THREADS"] = "1"

# A process that a shell starts in the background ignores Ctrl-C, and so do its descendants.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse the parameters of a set: the processes of pytest-xdist must agree on the order."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if any(isinstance(values, set | frozenset) for values in mark.args[1:2]):
            message = f"{metafunc.definition.nodeid}: sort the set of parameters"
            raise pytest.UsageError(message)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked `slow`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of further programs as slow, and put the longest modules first."""
    for item in items:
        if _programs(item) & _further(getattr(item, "module", None)):
            item.add_marker(pytest.mark.slow)
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Exempt torch and the tests from garbage collection, which takes 0.2 s each time."""
    freeze_heap()


@cache
def _further(module: Any) -> set[str]:
    return further_programs(module)


def _programs(item: pytest.Item) -> set[str]:
    """Return the texts among the parameters of a test: names of programs, for some."""
    spec = getattr(item, "callspec", None)
    return {value for value in spec.params.values() if type(value) is str} if spec else set()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use another cache than the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer(Limits(seconds=20, workers=2, preload=PRELOAD)) as runner:
        yield runner


@pytest.fixture(scope="session")
def runner(server: ForkServer) -> Remembering:
    return Remembering(server)


@pytest.fixture(scope="session")
def strict_runner() -> Iterator[ForkServer]:
    """Yield a runner for programs that spin or hoard: they soon reach its limits."""
    limits = Limits(seconds=1.5, memory_bytes=256 << 20, workers=4, preload=PRELOAD)
    with ForkServer(limits) as runner:
        yield runner


@pytest.fixture(scope="module")
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Judged]:
    """Return what is found in the programs of a module of tests, in BROKEN, HEALTHY and OTHER.

    Programs that only slow tests ask for are left out where none of these runs. Candidates are
    tried for the programs in FIXED, where a module has it.
    """
    from judging import judge  # noqa: PLC0415  (imports torch)

    asked = set[str]().union(*map(_programs, request.session.items))
    later = further_programs(request.module) - asked
    programs = {n: text for n, text in programs_of(request.module).items() if n not in later}
    tried = getattr(request.module, "FIXED", None)
    return judge(tmp_path_factory.mktemp("programs"), programs, tried)


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


class Command:
    """Runs the command line in this process, with the session's runner and a corpus."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capture = capture

    def __call__(self, *arguments: str) -> Finished:
        self._capture.readouterr()
        try:
            code = main([*arguments, "--corpus", str(self.root)])
        except SystemExit as end:
            code = int(end.code or 0)
        output = self._capture.readouterr()
        return Finished(code, output.out, output.err)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").out)


@pytest.fixture
def harness(
    runner: Remembering,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """Return the command line on a corpus of a pair and a control, on a machine without CUDA."""
    no_cuda = msgspec.structs.replace(
        runtime_of(runner), devices={"cpu": "", "cuda": "no CUDA device"}
    )
    for command in ("reproduce", "cost"):
        module = f"broken_convnets.commands.{command}.command"
        opens = "open_varied_runner" if command == "reproduce" else "open_torch_runner"
        monkeypatch.setattr(f"{module}.{opens}", lambda _: nullcontext(runner))
        monkeypatch.setattr(f"{module}.runtime_of", lambda _: no_cuda)
    monkeypatch.setenv("NO_COLOR", "1")
    former = signal.getsignal(signal.SIGTERM)
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    yield Command(tmp_path, capsys)
    signal.signal(signal.SIGTERM, former)
