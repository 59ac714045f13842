"""Landlock: a process takes rights to files, signals and other processes away from itself.

It needs no privileges, holds for all descendants, and cannot be undone (Linux 5.13). A process
in a Landlock domain cannot read the memory of one outside it either.
"""

from __future__ import annotations

import ctypes
import os
from enum import IntFlag
from typing import TYPE_CHECKING

from broken_convnets.sandbox.processes import LIBC, prctl

if TYPE_CHECKING:
    from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION_FLAG, PATH_BENEATH = 1, 1
PR_SET_NO_NEW_PRIVS = 38
SCOPES_ABI = 6  # the first version that confines signals and abstract Unix sockets
SCOPES = 0b11
MAKE_DEVICES = 1 << 6 | 1 << 11  # which no program does
ADDED_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many kinds of access a version knows


class Access(IntFlag):
    """What may be done below a path, as in linux/landlock.h."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


OF_FILES = (
    Access.EXECUTE
    | Access.WRITE_FILE
    | Access.READ_FILE
    | Access.TRUNCATE
    | Access.IOCTL_DEV  # rights that a rule about a single file may contain
)


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_fs", ctypes.c_uint64),
        ("handled_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the version of Landlock that this kernel offers; 0 for none."""
    version = LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_FLAG)
    return max(0, int(version))


def restrict(rules: Iterable[tuple[int, Access]], version: int) -> None:
    """Allow this process only the access that `rules` name, by open path and kind.

    From version 6 on, it can signal only processes that it starts from then on. Raises OSError
    if the kernel refuses.
    """
    known = (1 << ADDED_RIGHTS[min(version, max(ADDED_RIGHTS))]) - 1
    attributes = _Ruleset(known, 0, SCOPES if version >= SCOPES_ABI else 0)
    ruleset = _create(attributes, version)
    try:
        for path, access in rules:
            rule = _Rule(access & known, path)
            _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def leave_domain(version: int) -> None:
    """Confine this process to a domain inside its present one, without taking rights to files.

    It can then neither trace nor signal the processes that stay outside, such as its parent.
    """
    scopes = SCOPES if version >= SCOPES_ABI else 0
    attributes = _Ruleset(MAKE_DEVICES, 0, scopes)
    ruleset = _create(attributes, version)
    try:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _create(attributes: _Ruleset, version: int) -> int:
    size = ctypes.sizeof(attributes) if version >= SCOPES_ABI else 8
    return _call(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)


def _call(number: int, *arguments: object) -> int:
    result = int(LIBC.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock refused: {os.strerror(ctypes.get_errno())}")
    return result
