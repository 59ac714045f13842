"""Run a tool that is a separate executable, and determine its version."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 120.0
# The output that is parsed must not depend on the environment of the caller.
PLAIN = {"NO_COLOR": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


class CommandResult(NamedTuple):
    """The result of a command; `code` is None if it exceeded the time limit."""

    code: int | None
    out: str
    err: str


def executable_path(name: str) -> str | None:
    """Return the path of an executable, or None if it is not on the PATH."""
    return shutil.which(name)


def run_command(command: Sequence[str], seconds: float = SECONDS) -> CommandResult:
    """Run a command without input in the working directory, for at most `seconds`.

    Raises OSError if it cannot be started.
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
        return CommandResult(None, "", f"exceeded the time limit of {seconds:g} s")
    return CommandResult(done.returncode, done.stdout, done.stderr)


def missing_executables(*names: str, install: str) -> str:
    """Return a sentence that says what to install; empty if every executable is on the PATH."""
    absent = [name for name in names if executable_path(name) is None]
    if not absent:
        return ""
    return f"{', '.join(absent)} is not on the PATH: {install}"


def version_of(name: str) -> str:
    """Return the first line of the output of `name --version`."""
    lines = run_command([name, "--version"]).out.strip().splitlines()
    return lines[0].strip() if lines else name
