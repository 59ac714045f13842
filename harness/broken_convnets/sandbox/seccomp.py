"""A filter of system calls: a program cannot set the resource limits of another process.

Landlock does not confine `prlimit`, with which a program could stop its server.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from broken_convnets.sandbox.processes import LIBC

PR_SET_SECCOMP, FILTER_MODE = 22, 2
# By machine: the architecture's number in linux/audit.h, and the number of prlimit64.
CALLS = {"x86_64": (0xC000003E, 302), "aarch64": (0xC00000B7, 261)}
X32_CALLS = 0x40000000  # numbers from here on are another ABI of x86-64
LOAD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def refuse_foreign_limits() -> None:
    """Refuse `prlimit` on other processes from here on, if this machine's calls are known.

    The process must have set PR_SET_NO_NEW_PRIVS. Raises OSError if the kernel refuses.
    """
    known = CALLS.get(platform.machine())
    if known is None:
        return
    code = _program(*known)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    pointer = ctypes.c_char_p(header)
    if LIBC.prctl(PR_SET_SECCOMP, FILTER_MODE, pointer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")


def _program(architecture: int, limit_call: int) -> bytes:
    """Return the filter; a jump counts the instructions to skip if true, and if false."""
    return b"".join(
        struct.pack("HBBI", operation, if_true, if_false, value)
        for operation, if_true, if_false, value in (
            (LOAD, 0, 0, ARCHITECTURE_AT),
            (IF_EQUAL, 0, 6, architecture),
            (LOAD, 0, 0, NUMBER_AT),
            (IF_AT_LEAST, 4, 0, X32_CALLS),
            (IF_EQUAL, 0, 2, limit_call),
            (LOAD, 0, 0, FIRST_ARGUMENT_AT),
            (IF_EQUAL, 0, 1, 0),  # 0: the process itself
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, REFUSE),
        )
    )
