"""However a run is stopped, the results do not change and all its processes end."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest
import quick_start
from broken_convnets.sandbox.job import Limits
from broken_convnets.verdicts import matrix
from broken_convnets.verdicts.records import read_all
from kit import Pair, Solo, corpus_of, importing, put, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MARK = "BROKEN_CONVNETS_TEST"
LOOKS, BETWEEN_LOOKS = 5, 0.02  # before a run counts as waiting; seconds
PATIENCE = 120  # seconds to wait for an event, on a busy machine
QUICK, SLOW = 6, 3  # programs: a pair under three seeds, a control under three


@dataclass(frozen=True)
class Stopped:
    code: int
    out: str
    err: str
    before: dict[str, bytes]
    after: dict[str, bytes]
    left: list[Path]  # temporary files and working directories that remain
    processes_gone: bool


class Session:
    """A run of the command line in a process of its own, on a corpus that never finishes."""

    def __init__(self, root: Path, mark: str, *, slow: bool = True) -> None:
        self.root, self.mark = root, mark
        (root / "scratch").mkdir()
        sleeps = importing("pathlib, time", "pathlib.Path('begun').touch()\ntime.sleep(86_400)")
        corpus_of(root, {"shape/pair": Pair()})
        if slow:
            corpus_of(root, {"loss/slow": Solo(sleeps)})
        put(root / "results/README.md", "as before")
        self.before = self.results()
        with (root / "out").open("w") as out, (root / "err").open("w") as err:
            self.process = subprocess.Popen(
                [
                    *quick_start.COMMAND,
                    "reproduce",
                    "--update",
                    "--corpus",
                    root,
                    "--workers",
                    str(QUICK + SLOW),
                    "--timeout",
                    "600",
                ],
                stdout=out,
                stderr=err,
                start_new_session=True,
                env={
                    **quick_start.environment(),
                    MARK: mark,
                    "PYTHONUNBUFFERED": "1",
                    "NO_COLOR": "1",
                    "TMPDIR": str(root / "scratch"),
                },
            )

    def results(self) -> dict[str, bytes]:
        folder = self.root / "results"
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def others(self) -> list[psutil.Process]:
        """Return the processes of this run but the first: they inherit its environment."""
        return [
            process
            for process in psutil.process_iter()
            if process.pid != self.process.pid and self._is_ours(process)
        ]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False

    def loading(self) -> bool:
        """Whether the server has started to import torch: an interpreter alone is far smaller."""
        return any(_resident_bytes(process) > 50 << 20 for process in self.others())

    def running(self) -> bool:
        """Whether the quick programs are done and reported, and only the slow ones run."""
        folders = list(self.root.glob("scratch/broken-convnets-*/*/"))
        begun = all((folder / "begun").exists() for folder in folders)
        return begun and len(folders) == SLOW and all(self._waits() for _ in range(LOOKS))

    def _waits(self) -> bool:
        """Whether every process waits, a moment later: then no result is on its way to another."""
        time.sleep(BETWEEN_LOOKS)
        processes = [psutil.Process(self.process.pid), *self.others()]
        return all(process.status() == psutil.STATUS_SLEEPING for process in processes)

    def stop(self, number: Signals) -> None:
        os.killpg(self.process.pid, number)  # as Ctrl-C in a terminal does

    def stopped(self) -> Stopped:
        code = self.process.wait(timeout=PATIENCE)
        gone = wait_for(lambda: not self.others(), PATIENCE)
        out, err = ((self.root / name).read_text() for name in ("out", "err"))
        left = [*self.root.glob(".results*"), *self.root.glob("scratch/broken-convnets-*")]
        return Stopped(code, out, err, self.before, self.results(), left, gone)

    def kill(self) -> None:
        for process in self.others():
            process.kill()
        self.process.kill()
        self.process.wait()


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # it has just ended
        return 0


WAYS = [*itertools.product((SIGINT, SIGTERM, SIGKILL), ("loading", "running"))]
Stop = Callable[[tuple[Signals, str]], Stopped]


@pytest.fixture(scope="module")
def stop(tmp_path_factory: pytest.TempPathFactory) -> Stop:
    """Return a function that stops a run, by a signal at a moment; each such run once."""

    @cache
    def stopped(way: tuple[Signals, str]) -> Stopped:
        number, moment = way
        session = Session(tmp_path_factory.mktemp("run"), f"{os.getpid()}.{number}.{moment}")
        try:
            assert wait_for(getattr(session, moment), PATIENCE), (moment, session.process.poll())
            session.stop(number)
            return session.stopped()
        finally:
            session.kill()

    return stopped


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_results_do_not_change(way: tuple[Signals, str], stop: Stop) -> None:
    assert stop(way).after == stop(way).before


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_no_temporary_file_remains(way: tuple[Signals, str], stop: Stop) -> None:
    assert stop(way).left == []


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_process_of_the_run_ends(way: tuple[Signals, str], stop: Stop) -> None:
    assert stop(way).processes_gone


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_exit_code_names_the_signal(way: tuple[Signals, str], stop: Stop) -> None:
    number, _ = way
    assert "Traceback" not in stop(way).err, stop(way).err
    assert stop(way).code == (-number if number is SIGKILL else 128 + number)


def test_ctrl_c_prints_the_entries_that_are_done(stop: Stop) -> None:
    seen = stop((SIGINT, "running"))
    assert "interrupted: 1 of 2 entries are known" in seen.err
    assert "shape/pair" in seen.out
    assert "1 pairs reproduced, 0 controls work" in seen.out
    assert "loss/slow" not in seen.out


def test_a_run_killed_while_it_updates_leaves_every_file_whole(tmp_path: Path) -> None:
    session = Session(tmp_path, f"{os.getpid()}.update", slow=False)
    assert wait_for(lambda: "pairs reproduced" in (tmp_path / "out").read_text(), PATIENCE)
    session.stop(SIGKILL)
    found = session.stopped()
    baselines = read_all(tmp_path / "results")  # raises RecordError for half a file
    assert found.after["README.md"].decode() in {"as before", matrix.page(baselines)}
    assert found.processes_gone


@pytest.mark.parametrize("sent", [b"", msgspec.json.encode(Limits()) + b"\n"])
def test_a_server_whose_client_is_gone_exits_silently(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(sent)
    ours.close()
    with theirs:
        done = subprocess.run(
            [sys.executable, "-m", "broken_convnets.sandbox.fork_server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
