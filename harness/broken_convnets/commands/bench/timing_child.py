"""The jobs of a process that times programs: load them, warm them up, time them in turn."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.bench.clock import EventClock, HostClock
from broken_convnets.commands.bench.cuda import CudaDevice
from broken_convnets.commands.bench.fingerprint import fingerprint
from broken_convnets.commands.bench.inputs import Size, inputs_of
from broken_convnets.commands.bench.rounds import time_in_turn
from broken_convnets.commands.bench.stabilize import stabilize
from broken_convnets.commands.bench.timing_job import (
    Call,
    FingerprintRequest,
    Machine,
    TimedProgram,
    TimingRequest,
    Timings,
)
from broken_convnets.observe.program import FILE_NAME, Program
from broken_convnets.util.mask import mask_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.bench.clock import Clock

ERROR_LENGTH = 200  # characters
LONGEST_FACTOR = 5  # of the elapsed time, over the requested processor time


def describe(_request: FingerprintRequest) -> Machine:
    """Return what the times of this process depend on."""
    return Machine(fingerprint(stabilize()))


def time_programs(request: TimingRequest) -> Timings:
    """Return the rounds of the programs, or why one of them cannot be timed."""
    now = _budget_clock()
    generator = random.Random(request.seed)  # noqa: S311  (an order, not a secret)
    try:
        calls = _load_all(request.programs, request.seed)
        clock = _clock(next(iter(request.programs.values())))
        return Timings(time_in_turn(clock, calls, request.seconds, generator, now))
    except Exception as error:  # noqa: BLE001  (a program may raise anything)
        text = f"{type(error).__name__}: {mask_error(error)}".splitlines()[0]
        return Timings(error=text[:ERROR_LENGTH])


def _budget_clock() -> Callable[[], float]:
    """Return a clock of the processor time of this process from now on, in seconds.

    On a busy machine a comparison takes longer instead of becoming less precise. A program that
    sleeps uses no processor time, so a fraction of the elapsed time is the minimum.
    """
    processor, elapsed = time.process_time(), time.monotonic()
    return lambda: max(
        time.process_time() - processor, (time.monotonic() - elapsed) / LONGEST_FACTOR
    )


def _load_all(programs: dict[str, TimedProgram], seed: int) -> dict[str, Callable[[], object]]:
    """Load the programs, each in a folder of its own, in one of all possible orders.

    What is loaded first has another place in memory, and thus may be faster.
    """
    top = Path.cwd()
    calls = {}
    orders = list(itertools.permutations(programs))
    for name in orders[seed % len(orders)]:
        folder = top / name
        folder.mkdir()
        os.chdir(folder)
        calls[name] = _load(programs[name])
    return calls


def _load(timed: TimedProgram) -> Callable[[], object]:
    """Load a program from the working directory and return the call to time."""
    sys.modules.pop(Path(FILE_NAME).stem, None)  # the previous program has the same name
    importlib.invalidate_caches()
    try:
        program = Program.load(timed.source, 0, timed.device)
    except Exception:
        if timed.call is Call.FAILURE:
            return _until_it_fails(lambda: Program.load(timed.source, 0, timed.device))
        raise
    wait = synchronizer(timed.device)
    if timed.call is Call.FAILURE:
        return _until_it_fails(
            lambda: wait(program.run(program.net(), program.inputs(), program.targets()))
        )
    net, inputs = program.net(), inputs_of(program, Size(timed.size))
    if timed.call is Call.RUN:
        targets = program.targets()
        return lambda: wait(program.run(net, inputs, targets))
    net.eval()
    if timed.device == "cpu":  # entering a device context costs more than a small layer
        return lambda: net(*inputs)
    return lambda: program.forward(net, *inputs)


def _clock(timed: TimedProgram) -> Clock:
    if timed.call is not Call.FORWARD:
        return HostClock(inference=contextlib.nullcontext)
    return EventClock(CudaDevice()) if timed.device == "cuda" else HostClock()


def synchronizer(device: str) -> Callable[[object], None]:
    """Return a function that waits until a device has computed its argument."""
    if device == "cuda":
        return lambda _: torch.cuda.synchronize()
    return lambda _: None


def _until_it_fails(call: Callable[[], object]) -> Callable[[], None]:
    """Return `call` without the exception that it raises; raises LookupError if it raises none."""

    def failing() -> None:
        try:
            call()
        except Exception:  # noqa: BLE001  (a program may raise anything)
            return
        message = "the program raises nothing"
        raise LookupError(message)

    return failing
