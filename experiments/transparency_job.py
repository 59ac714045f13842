"""Run a program plainly or under `diagnose`, and return all that the outside can see of the run."""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.observe.user_program import UserProgram, exit_code
from msgspec import Struct

RUN = f"{__name__}:run"  # RunRequest -> VisibleRun
SEED = 0


class RunRequest(Struct, frozen=True):
    """A program to run in `directory`, plainly or `recorded`."""

    program: UserProgram
    directory: str
    recorded: bool


class VisibleRun(Struct, frozen=True):
    """What a run shows: what it printed, how it ended, and the random numbers that come next."""

    stdout: str
    stderr: str
    warnings: list[str]  # text, category, file and line of each
    exit_code: int
    raised: str  # the exception that left the program
    random_state: str  # a digest of the generators of Python, NumPy and torch


def run(request: RunRequest) -> VisibleRun:
    """Run a program from a fixed seed, with its streams in files."""
    os.chdir(request.directory)
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  (the generator that programs use by default)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code, raised = _run_into(request, folder)
        stdout, stderr = (Path(folder, name).read_text(errors="replace") for name in "12")
    lines = [_line(one) for one in caught]
    return VisibleRun(stdout, stderr, lines, code, raised, _random_state())


def _run_into(request: RunRequest, folder: str) -> tuple[int, str]:
    """Run with stdout and stderr in files of `folder`; return the exit code and the exception."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(os.open(f"{folder}/{number}", os.O_WRONLY | os.O_CREAT), number)
    try:
        return _recorded(request) if request.recorded else _plain(request)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _plain(request: RunRequest) -> tuple[int, str]:
    try:
        request.program.run()
    except SystemExit as end:
        return exit_code(end), ""
    except BaseException as error:  # noqa: BLE001  (it is the program's)
        return 1, f"{type(error).__name__}: {error}"
    return 0, ""


def _recorded(request: RunRequest) -> tuple[int, str]:
    examined = examine_run(request.program)
    return examined.exit_code, examined.raised


def _line(caught: warnings.WarningMessage) -> str:
    return f"{caught.category.__name__}: {caught.message} ({caught.filename}:{caught.lineno})"


def _random_state() -> str:
    states = (random.getstate(), np.random.get_state(), torch.get_rng_state().tolist())  # noqa: NPY002  (as above)
    return hashlib.sha256(repr(states).encode()).hexdigest()
