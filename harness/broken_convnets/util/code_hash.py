"""A hash of this package's code, for whatever is stored that depends on the code."""

from __future__ import annotations

import hashlib
from functools import cache

from broken_convnets.util.environment import PACKAGE


@cache
def code_hash() -> str:
    """Return the SHA-256 of the names and contents of all Python files of this package.

    A stored result may depend on any of them, so there is no list of files to keep up to date.
    """
    state = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        state.update(f"{path.relative_to(PACKAGE).as_posix()} {len(content)}\n".encode())
        state.update(content)
    return state.hexdigest()
