"""However a run is stopped, the results are as before and none of its processes goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest
from broken_convnets.sandbox.job import Limits
from broken_convnets.verdicts import matrix
from broken_convnets.verdicts.records import read_all
from kit import Pair, Solo, corpus_of, importing, put, wait_for

if TYPE_CHECKING:
    from pathlib import Path

MARK = "BROKEN_CONVNETS_TEST"
PATIENCE = 120  # seconds until a moment comes, on a busy machine
QUICK, SLOW = 6, 3  # programs: a pair under three seeds, a control under three


@dataclass(frozen=True)
class Stopped:
    code: int
    out: str
    err: str
    before: dict[str, bytes]
    after: dict[str, bytes]
    left: list[Path]  # drafts of results, and folders in which programs worked
    processes_gone: bool


class Session:
    """A run of the command line in a process of its own, on a corpus that takes for ever."""

    def __init__(self, root: Path, mark: str, *, slow: bool = True) -> None:
        self.root, self.mark = root, mark
        for folder in ("begun", "scratch"):
            (root / folder).mkdir()
        begun = f"pathlib.Path({str(root / 'begun')!r}, str(os.getpid())).touch()"
        quick = importing("os, pathlib", begun)
        sleeps = importing("os, pathlib, time", f"{begun}\ntime.sleep(86_400)")
        broken = quick.replace("flatten(x, 1)", "flatten(x, 2)")
        corpus_of(root, {"shape/pair": Pair(broken, quick)})
        if slow:
            corpus_of(root, {"loss/slow": Solo(sleeps)})
        put(root / "results/README.md", "as before")
        self.before = self.results()
        with (root / "out").open("w") as out, (root / "err").open("w") as err:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "broken_convnets",
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
                    **os.environ,
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
        """Return the processes of this run, the first excepted: they inherit its environment."""
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
        """Return whether the server has begun to load torch: an interpreter takes far less."""
        return any(process.memory_info().rss > 50 << 20 for process in self.others())

    def running(self) -> bool:
        """Return whether the quick programs are done, their folders gone, and the slow ones run."""
        if len(list((self.root / "begun").iterdir())) < QUICK + SLOW:
            return False
        return len(list(self.root.glob("scratch/broken-convnets-*/*/"))) == SLOW

    def stop(self, number: Signals) -> None:
        os.killpg(self.process.pid, number)  # as Ctrl-C in a terminal does

    def stopped(self) -> Stopped:
        code = self.process.wait(timeout=30)
        gone = wait_for(lambda: not self.others(), 5)
        out, err = ((self.root / name).read_text() for name in ("out", "err"))
        left = [*self.root.glob(".results*"), *self.root.glob("scratch/broken-convnets-*")]
        return Stopped(code, out, err, self.before, self.results(), left, gone)

    def kill(self) -> None:
        for process in self.others():
            process.kill()
        self.process.kill()
        self.process.wait()


WAYS = [
    (number, moment) for moment in ("loading", "running") for number in (SIGINT, SIGTERM, SIGKILL)
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Signals, str], Stopped]:
    """Stop a run in every way; they start together, since loading torch takes seconds."""
    sessions = [
        Session(tmp_path_factory.mktemp("run"), f"{os.getpid()}.{i}") for i, _ in enumerate(WAYS)
    ]
    try:
        for (number, moment), session in zip(WAYS, sessions, strict=True):
            assert wait_for(getattr(session, moment), PATIENCE), (moment, session.process.poll())
            time.sleep(0.2)  # for the last ending to arrive; nothing shows that it has
            session.stop(number)
        return {way: session.stopped() for way, session in zip(WAYS, sessions, strict=True)}
    finally:
        for session in sessions:
            session.kill()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_results_are_as_before(
    way: tuple[Signals, str], stopped: dict[tuple[Signals, str], Stopped]
) -> None:
    assert stopped[way].after == stopped[way].before


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_no_file_of_the_run_is_left(
    way: tuple[Signals, str], stopped: dict[tuple[Signals, str], Stopped]
) -> None:
    assert stopped[way].left == []


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_no_process_of_the_run_goes_on(
    way: tuple[Signals, str], stopped: dict[tuple[Signals, str], Stopped]
) -> None:
    assert stopped[way].processes_gone


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_exit_code_tells_the_signal(
    way: tuple[Signals, str], stopped: dict[tuple[Signals, str], Stopped]
) -> None:
    number, _ = way
    assert stopped[way].code == (-number if number is SIGKILL else 128 + number)
    assert "Traceback" not in stopped[way].err


def test_ctrl_c_prints_what_is_known_so_far(stopped: dict[tuple[Signals, str], Stopped]) -> None:
    seen = stopped[SIGINT, "running"]
    assert "interrupted: 1 of 2 entries are known" in seen.err
    assert "shape/pair" in seen.out
    assert "1 pairs reproduced, 0 controls work" in seen.out
    assert "loss/slow" not in seen.out


def test_a_run_killed_while_it_updates_leaves_the_results_whole(tmp_path: Path) -> None:
    session = Session(tmp_path, f"{os.getpid()}.update", slow=False)

    def updating() -> bool:
        draft = any(tmp_path.glob(".results-*"))
        return draft or "pairs reproduced" in (tmp_path / "out").read_text()

    assert wait_for(updating, PATIENCE)
    session.stop(SIGKILL)
    found = session.stopped()
    books = read_all(tmp_path / "results")
    assert found.after == found.before or found.after["README.md"].decode() == matrix.page(books)
    assert found.processes_gone


@pytest.mark.parametrize("said", [b"", msgspec.json.encode(Limits()) + b"\n"])
def test_a_server_whose_other_end_has_gone_ends_without_a_word(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(said)
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
