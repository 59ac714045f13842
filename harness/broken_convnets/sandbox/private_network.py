"""A network namespace without a connection to anywhere, which processes join: `lo` alone.

Programs can still talk to themselves over localhost, as torch.distributed does.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

from broken_convnets.sandbox.processes import LIBC

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS = 0x8914
UP_AND_RUNNING = 0x41
KINDS = {"user": CLONE_NEWUSER, "net": CLONE_NEWNET}


class PrivateNetwork:
    """The namespaces; they exist as long as this process, or one that joined them."""

    def __init__(self, namespaces: dict[str, int]) -> None:
        """Use open namespaces, by kind, in the order in which to join them."""
        self._namespaces = namespaces

    def join(self) -> None:
        """Move this process, which must have one thread, there. Raises OSError if refused."""
        for kind, descriptor in self._namespaces.items():
            _checked(LIBC.setns(descriptor, KINDS[kind]))


def create() -> PrivateNetwork | None:
    """Return a new network, or None if this system allows none to this user.

    A helper process creates it and ends. Without the rights of root, it comes with a user
    namespace in which the user has the same id.
    """
    kinds = ["net"] if os.geteuid() == 0 else ["user", "net"]
    ready, done = os.pipe(), os.pipe()
    helper = os.fork()
    if helper == 0:
        _hold(sum(KINDS[kind] for kind in kinds), ready[1], done)
    os.close(ready[1])
    os.close(done[0])
    try:
        if os.read(ready[0], 1) != b"1":
            return None
        flags = os.O_RDONLY | os.O_CLOEXEC
        return PrivateNetwork({k: os.open(f"/proc/{helper}/ns/{k}", flags) for k in kinds})
    finally:
        os.close(ready[0])
        os.close(done[1])
        os.waitpid(helper, 0)


def _hold(flags: int, ready: int, done: tuple[int, int]) -> None:
    """Create the namespaces, report it, and keep them until the other end of `done` closes."""
    try:
        os.close(done[1])
        user, group = os.geteuid(), os.getegid()
        _checked(LIBC.unshare(flags))
        if flags & CLONE_NEWUSER:
            _map_ids(user, group)
        _start_loopback()
        os.write(ready, b"1")
        os.close(ready)
        os.read(done[0], 1)
    finally:
        os._exit(0)


def _map_ids(user: int, group: int) -> None:
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny", encoding="ascii")
    (own / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    (own / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _start_loopback() -> None:
    request = struct.pack("16sh14x", b"lo", UP_AND_RUNNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        pointer = ctypes.create_string_buffer(request)
        _checked(LIBC.ioctl(any_socket.fileno(), SIOCSIFFLAGS, pointer))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
