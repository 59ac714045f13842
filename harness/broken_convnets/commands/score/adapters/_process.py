"""Run a tool that is a program of its own, and say which version of it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 120.0
# Nothing of the caller's may colour or configure what is parsed.
PLAIN = {"NO_COLOR": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


class Ran(NamedTuple):
    """How a command ended; `code` is None where its time was up."""

    code: int | None
    out: str
    err: str


def found(name: str) -> str | None:
    """Return the path of an executable, None where it is not on the PATH."""
    return shutil.which(name)


def run(command: Sequence[str], seconds: float = SECONDS) -> Ran:
    """Run a command without input in the working directory; at most so many seconds.

    Raises OSError where it cannot be started.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env={**os.environ, **PLAIN},
        )
    except subprocess.TimeoutExpired:
        return Ran(None, "", f"no answer within {seconds:g} s")
    return Ran(done.returncode, done.stdout, done.stderr)


def lacks(*names: str, install: str) -> str:
    """Return the sentence that names what to install; empty where all is on the PATH."""
    absent = [name for name in names if found(name) is None]
    if not absent:
        return ""
    return f"{', '.join(absent)} is not on the PATH: {install}"


def version_of(name: str) -> str:
    """Return the first line of what `name --version` prints."""
    lines = run([name, "--version"]).out.strip().splitlines()
    return lines[0].strip() if lines else name
