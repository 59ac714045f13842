"""Functions that the tests run in the sandbox: well-behaved ones, and ones that attack it.

No torch here: limits, kills and crashes do not depend on it, and a process without it starts
in a tenth of a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_NAP = 86_413  # seconds; also the mark by which a test finds a process that is left over
ANSWER_PIPE = 3  # the descriptor on which a forked child writes its answer
BALLAST_BYTES = 64 << 20
PR_SET_CHILD_SUBREAPER = 36

called: list[str] = []  # the hooks of this module, in the order of their calls
ballast = bytearray()


class Nothing(Struct, frozen=True):
    """No payload, or no answer."""


class Amount(Struct, frozen=True):
    """A number: of seconds, mebibytes, or whatever the function needs."""

    value: float


class Text(Struct, frozen=True):
    """Any text."""

    text: str


class Process(Struct, frozen=True):
    """The process that ran the job, and the one that prepared it."""

    pid: int
    prepared_in: int


prepared_in = 0


def configure() -> None:
    called.append("configure")


def warm_up() -> None:
    global ballast  # noqa: PLW0603  (what a fork server has loaded is global)
    called.append("warm_up")
    ballast = bytearray(b"1") * BALLAST_BYTES


def prepare(payload: object) -> None:
    global prepared_in  # noqa: PLW0603  (likewise)
    if payload == Text("cannot be prepared"):
        raise ValueError(payload)
    prepared_in = os.getpid()


# Well-behaved.


def end_the_server(_: Nothing) -> Nothing:
    os.kill(os.getppid(), signal.SIGKILL)
    return hang(Nothing())


def stop_the_server(_: Nothing) -> Nothing:
    os.kill(os.getppid(), signal.SIGSTOP)
    return hang(Nothing())


def process(_: Nothing) -> Process:
    return Process(os.getpid(), prepared_in)


def echo(text: Text) -> Text:
    return text


def echo_slowly(text: Text) -> Text:
    time.sleep(0.05)
    return text


def hooks(_: Nothing) -> Text:
    return Text(" ".join(called))


def nap(seconds: Amount) -> Nothing:
    time.sleep(seconds.value)
    return Nothing()


def hoard_and_nap(mebibytes: Amount) -> Nothing:
    hoard = bytearray(b"1") * (int(mebibytes.value) << 20)
    time.sleep(1)
    del hoard
    return Nothing()


def memory_map(_: Nothing) -> Text:
    return Text(Path("/proc/self/smaps_rollup").read_text(encoding="utf-8"))


def surroundings(_: Nothing) -> Text:
    folder = Path.cwd()
    (folder / "left behind").write_text("x", encoding="utf-8")
    return Text(f"{sys.stdin.read()!r} {len(list(folder.iterdir()))} {folder}")


# Hostile: these reach a limit.


def hang(_: Nothing) -> Nothing:
    time.sleep(LONG_NAP)
    return Nothing()


def hang_beside_a_fork(_: Nothing) -> Nothing:
    os.fork()
    time.sleep(LONG_NAP)
    return Nothing()


def spin(_: Nothing) -> Nothing:
    while True:
        pass


def spin_in_a_child(_: Nothing) -> Nothing:
    if os.fork() == 0:
        spin(Nothing())
    os.wait()
    return Nothing()


def flood(_: Nothing) -> Nothing:
    while True:
        print("x" * 9999)


def hoard(_: Nothing) -> Nothing:
    hoard = bytearray(b"1") * (512 << 20)
    time.sleep(LONG_NAP)
    del hoard
    return Nothing()


def hoard_in_a_child(_: Nothing) -> Nothing:
    if os.fork() == 0:
        hoard(Nothing())
    os.wait()
    return Nothing()


def spin_in_a_daemon(_: Nothing) -> Nothing:
    _daemon(lambda: spin(Nothing()))
    return hang(Nothing())


def hoard_in_a_daemon(_: Nothing) -> Nothing:
    _daemon(lambda: hoard(Nothing()))
    return hang(Nothing())


def hoard_in_a_child_of_a_thread(_: Nothing) -> Nothing:
    threading.Thread(target=hoard_in_a_child, args=(Nothing(),)).start()
    return hang(Nothing())


def hoard_in_a_child_beside_a_zombie(_: Nothing) -> Nothing:
    if os.fork() == 0:
        os._exit(0)
    if os.fork() == 0:
        hoard(Nothing())
    return hang(Nothing())


def hoard_in_children_that_share(_: Nothing) -> Nothing:
    if os.fork() == 0:
        hoard = bytearray(b"1") * (512 << 20)
        for _number in range(7):
            if os.fork() == 0:
                break
        time.sleep(LONG_NAP)
        del hoard
    return hang(Nothing())


def disown_a_daemon(_: Nothing) -> Text:
    """Start a daemon below the server, and wait until it is gone."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    pid = _daemon(lambda: time.sleep(LONG_NAP))
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return Text("killed")
        time.sleep(0.01)


def start_many_processes(_: Nothing) -> Nothing:
    for _number in range(99):
        if os.fork() == 0:
            break
    return hang(Nothing())


# Hostile: these crash, or return nonsense.


def exit_at_once(_: Nothing) -> Nothing:
    os._exit(0)


def exit_after_a_word(_: Nothing) -> Nothing:
    print("passed", flush=True)
    os._exit(3)


def abort(_: Nothing) -> Nothing:
    os.abort()


def segfault(_: Nothing) -> Nothing:
    ctypes.string_at(0)
    return Nothing()


def terminate_itself(_: Nothing) -> Nothing:
    os.kill(os.getpid(), signal.SIGTERM)
    return Nothing()


def raise_an_error(_: Nothing) -> Nothing:
    message = "no"
    raise ValueError(message)


def close_the_answer(_: Nothing) -> Nothing:
    os.close(ANSWER_PIPE)
    return Nothing()


def close_everything(_: Nothing) -> Nothing:
    os.closerange(0, 999)
    return Nothing()


def write_garbage(_: Nothing) -> Nothing:
    os.write(ANSWER_PIPE, b"garbage")
    return Nothing()


def return_another_type(_: Nothing) -> Amount:
    return Amount(1.0)


def return_too_much(_: Nothing) -> Text:
    return Text("x" * (5 << 20))


# Hostile, but they return what they should.


def close_its_output(_: Nothing) -> Nothing:
    os.closerange(0, 3)
    return Nothing()


def flood_once(_: Nothing) -> Nothing:
    print("x" * 9_999_999)
    return Nothing()


def leave_a_daemon(_: Nothing) -> Nothing:
    _daemon(lambda: time.sleep(LONG_NAP))
    return Nothing()


def leave_its_folder(_: Nothing) -> Nothing:
    os.chdir("/")
    return Nothing()


def _daemon(act: Callable[[], object]) -> int:
    """Start a process in a session of its own whose parent has exited; return its id."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            act()
        os.write(write, str(pid).encode())
        os._exit(0)
    os.wait()
    return int(os.read(read, 99))
