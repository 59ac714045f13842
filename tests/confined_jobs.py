"""Jobs that ask a second process, which behaves well or attacks; and one that shows its hashes."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from broken_convnets.sandbox.confined import HEADER, Confined
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

FORGED = b'{"text":"forged"}'
CHANNEL = 3


class Text(Struct, frozen=True):
    """Any text."""

    text: str


def ask(payload: Text) -> Text:
    """Return what the second process answers to a request for one of its acts."""
    confined = Confined(lambda: _act)
    return Text(confined.ask(payload.text.encode()).decode())


def hashes(payload: Text) -> Text:
    """Return the hash of a text, and an address, in this process."""
    return Text(f"{hash(payload.text)} {id(object())}")


def write_and_fail(_: Text) -> Text:
    """Write a valid answer, then end with an error."""
    os.write(3, FORGED)
    os._exit(3)


def _act(request: bytes) -> bytes:
    return ACTS[request.decode()]()


def _write_everywhere() -> bytes:
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, FORGED)
        except OSError:
            continue
    os._exit(0)


def _signal_the_parent() -> bytes:
    try:
        os.kill(os.getppid(), signal.SIGKILL)
    except PermissionError:
        return b"refused"
    time.sleep(60)
    return b"killed"


def _read_the_parent() -> bytes:
    try:
        with open(f"/proc/{os.getppid()}/mem", "r+b", buffering=0):  # noqa: PTH123  (as an attack would)
            return b"opened"
    except OSError:
        return b"refused"


def _open_the_answer() -> bytes:
    try:
        with open(f"/proc/{os.getppid()}/fd/3", "wb", buffering=0):  # noqa: PTH123  (likewise)
            return b"opened"
    except OSError:
        return b"refused"


def _exit(code: int) -> Callable[[], bytes]:
    return lambda: os._exit(code)


def _kill(number: int) -> Callable[[], bytes]:
    def act() -> bytes:
        os.kill(os.getpid(), number)
        return b"alive"

    return act


def _long() -> bytes:
    os.write(CHANNEL, HEADER.pack(1 << 40))
    return b""


ACTS: dict[str, Callable[[], bytes]] = {
    "answer": lambda: b"honest",
    "close the channel": lambda: os.close(CHANNEL) or b"",  # type: ignore[func-returns-value]  # b"" it is
    "exit with 0": _exit(0),
    "exit with 3": _exit(3),
    "kill": _kill(signal.SIGKILL),
    "list descriptors": lambda: str(_open_descriptors()).encode(),
    "long": _long,
    "open the answer": _open_the_answer,
    "read the parent": _read_the_parent,
    "signal the parent": _signal_the_parent,
    "terminate": _kill(signal.SIGTERM),
    "write everywhere": _write_everywhere,
}


def _open_descriptors() -> list[int]:
    found = []
    for descriptor in range(3, 64):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.append(descriptor)
    return found
