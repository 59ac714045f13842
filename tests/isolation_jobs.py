"""Functions that the tests run isolated: what a program needs, and attempts to break out.

Each attempt returns the name of the exception that stopped it, or "done".
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing import shared_memory
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

PTRACE_ATTACH = 16


class Target(Struct, frozen=True):
    """What to attack: an attempt's name, a path, a process, and a port."""

    name: str
    path: str = ""
    pid: int = 0
    port: int = 0


class Ended(Struct, frozen=True):
    """How an attempt ended."""

    how: str


def attempt(target: Target) -> Ended:
    try:
        ATTEMPTS[target.name](target)
    except Exception as error:  # noqa: BLE001  (which one is the answer)
        return Ended(type(error).__name__)
    return Ended("done")


def _libc(function: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), function)


def _read(target: Target) -> None:
    Path(target.path).read_bytes()


def _list(target: Target) -> None:
    os.listdir(target.path)  # noqa: PTH208  (the shortest attack)


def _read_through_a_link(target: Target) -> None:
    Path("link").symlink_to(target.path)
    Path("link").read_bytes()


def _read_in_a_subprocess(target: Target) -> None:
    code = f"open({target.path!r}).read()"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def _link_hard(target: Target) -> None:
    os.link(target.path, "link")


def _write(target: Target) -> None:
    Path(target.path).write_bytes(b"forged")


def _write_beside(target: Target) -> None:
    (Path(target.path).parent / "new").write_bytes(b"forged")


def _fill_the_disk(_: Target) -> None:
    with Path("large").open("wb") as stream:
        stream.truncate(1 << 40)


def _delete(target: Target) -> None:
    Path(target.path).unlink()


def _delete_neighbours(_: Target) -> None:
    for folder in Path("..").iterdir():
        folder.rmdir()


def _read_process(part: str) -> Callable[[Target], None]:
    return lambda target: _read(Target("", path=f"/proc/{target.pid}/{part}"))


def _kill(target: Target) -> None:
    os.kill(target.pid, signal.SIGCONT)


def _kill_by_descriptor(target: Target) -> None:
    signal.pidfd_send_signal(os.pidfd_open(target.pid), signal.SIGCONT)


def _trace(target: Target) -> None:
    _libc("ptrace", PTRACE_ATTACH, target.pid, None, None)


def _read_memory(target: Target) -> None:
    buffer = ctypes.create_string_buffer(8)
    span = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    _libc("process_vm_readv", target.pid, span, 1, span, 1, 0)


def _limit(target: Target) -> None:
    resource.prlimit(target.pid, resource.RLIMIT_CORE, (0, 0))


def _connect(target: Target) -> None:
    socket.create_connection(("127.0.0.1", target.port), timeout=5).close()


def _send_datagram(_: Target) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"secret", ("192.0.2.1", 53))


def _connect_abstract(target: Target) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + target.path)


def _mount(_: Target) -> None:
    _libc("mount", b"none", str(Path.cwd()).encode(), b"tmpfs", 0, None)


def _change_root(_: Target) -> None:
    os.chroot(".")


ATTEMPTS: dict[str, Callable[[Target], None]] = {
    "read": _read,
    "list": _list,
    "read_through_a_link": _read_through_a_link,
    "read_in_a_subprocess": _read_in_a_subprocess,
    "link_hard": _link_hard,
    "write": _write,
    "write_beside": _write_beside,
    "delete": _delete,
    "fill_the_disk": _fill_the_disk,
    "delete_neighbours": _delete_neighbours,
    "kill": _kill,
    "kill_by_descriptor": _kill_by_descriptor,
    "trace": _trace,
    "read_memory": _read_memory,
    "limit": _limit,
    "connect": _connect,
    "send_datagram": _send_datagram,
    "connect_abstract": _connect_abstract,
    "mount": _mount,
    "change_root": _change_root,
    **{part: _read_process(part) for part in ("cmdline", "environ", "maps", "mem", "status")},
}


def everything_needed(_: Target) -> Ended:
    """Use what healthy programs use: temporary files, processes, shared memory, localhost."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_text("x", encoding="utf-8")
    Path("folder").mkdir()
    Path("folder/file").write_text("x", encoding="utf-8")
    Path("folder/file").rename("moved")
    Path("/proc/self/status").read_bytes()
    Path("/proc/cpuinfo").read_bytes()
    Path(os.devnull).write_text("x", encoding="utf-8")
    _share_memory()
    _use_processes()
    _talk_to_itself()
    subprocess.run([sys.executable, "-c", "import json, msgspec"], check=True)
    return Ended("done")


def _share_memory() -> None:
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.close()
    memory.unlink()


def _use_processes() -> None:
    context = multiprocessing.get_context("fork")
    lock, queue = context.Lock(), context.Queue()
    with lock:
        worker = context.Process(target=queue.put, args=(b"answer",))
        worker.start()
        assert queue.get(timeout=60) == b"answer"
        worker.join()
    hanging = context.Process(target=signal.pause)
    hanging.start()
    hanging.kill()  # its own descendants, it may
    hanging.join()


def _talk_to_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.accept)
        thread.start()
        socket.create_connection(server.getsockname(), timeout=60).close()
        thread.join()
