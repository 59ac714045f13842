"""`learn` on a real terminal: keys, saved files, Ctrl-C, and the restored terminal."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import select
import signal
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
import quick_start
from broken_convnets.commands.learn.ordering import alias
from broken_convnets.commands.learn.progress import read
from kit import HEALTHY, Pair, case_of, corpus_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[[list[str]], "Terminal"]

pytestmark = pytest.mark.slow

PATIENCE = 120  # seconds until a text appears, on a busy machine
PAIR, OTHER = (f"{alias(case_of(Pair(), name))}.py" for name in ("shape/pair", "shape/other"))
KEYS = "q quit"
CTRL_C = "\x03"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A `learn` session on a pseudo-terminal of 80 columns."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        corpus_of(folder, {"shape/pair": Pair(), "shape/other": Pair()})
        command = [*command, "learn", "--corpus", str(folder), "--work", str(folder / "work")]
        environment = {**quick_start.environment(), "COLUMNS": "80", "TERM": "xterm"}
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, command, environment)  # noqa: S606  (no shell is wanted)
        self.before = termios.tcgetattr(self.master)
        self.seen = ""
        # A read can end inside of a character, or of an escape.
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def expect(self, text: str) -> str:
        """Read until `text` appears; return the new text before it."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen = ESCAPE.sub("", self.seen + self._read())
        before, _, self.seen = self.seen.partition(text)
        return before

    def _read(self) -> str:
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # Linux: the other end is closed
            data = b""
        assert data, f"the session ended after {self.seen!r}"
        return self._decoder.decode(data)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """Return the exit code; the terminal settings must be the original ones."""
        _, status = os.waitpid(self.pid, 0)
        after = termios.tcgetattr(self.master)
        assert after[:4] == self.before[:4]
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a session in the test's folder; none outlives the test."""
    started: list[Terminal] = []

    def start(command: list[str]) -> Terminal:
        started.append(Terminal(tmp_path, command))
        return started[-1]

    yield start
    for terminal in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(terminal.pid, signal.SIGKILL)


def test_a_learner_fixes_two_programs(start: Start, tmp_path: Path) -> None:
    terminal = start([sys.executable, "-m", "broken_convnets"])
    terminal.expect(OTHER.removesuffix(".py"))
    terminal.expect("mat1 and mat2 shapes")
    terminal.expect(KEYS)
    terminal.press("h")
    terminal.expect("Hint 1 of 1: Which shape arrives?")
    terminal.press("\x1b[A")  # arrow keys are ignored
    terminal.press("d")
    terminal.expect("fc Linear: float32[4, 4, 4] -> ✗")
    terminal.press("sx")
    terminal.expect("Canceled.")
    (tmp_path / "work" / OTHER).write_text(HEALTHY)
    terminal.expect("Solved")
    terminal.press("n")
    terminal.expect(PAIR.removesuffix(".py"))
    terminal.expect("2 of 2   1 solved")
    terminal.expect(KEYS)
    draft = tmp_path / "draft"
    draft.write_text(HEALTHY)
    draft.replace(tmp_path / "work" / PAIR)  # as many editors save
    terminal.expect("Solved")
    terminal.expect(KEYS)
    terminal.press("q")
    terminal.expect("2 of 2 solved")
    assert terminal.end() == 0
    assert {entry.solved_at for entry in read(tmp_path / "work").cases.values()} == {1}


def test_ctrl_c_restores_the_terminal_and_saves_the_progress(start: Start, tmp_path: Path) -> None:
    terminal = start(quick_start.COMMAND)
    terminal.expect(KEYS)
    terminal.press("h")
    terminal.expect("Hint 1 of 1")
    terminal.press(CTRL_C)
    assert terminal.end() == 128 + signal.SIGINT
    assert read(tmp_path / "work").cases["shape/other"].hints == 1


def test_sigterm_restores_the_terminal(start: Start, tmp_path: Path) -> None:
    terminal = start(quick_start.COMMAND)
    terminal.expect(KEYS)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 128 + signal.SIGTERM
    assert read(tmp_path / "work").current == "shape/other"
