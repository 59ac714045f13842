"""Compare the times of two programs, in several processes that are pooled.

Each process times three variants in turn: the old program, the new one, and the control, which is
the old program loaded a second time. Variants of two interpreters cannot share a process: each
variant is then timed in a short process of its own.
"""

from __future__ import annotations

import random
import statistics
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.bench.timing_job import (
    FINGERPRINT,
    PRELOAD,
    TIME,
    FingerprintRequest,
    Machine,
    TimingRequest,
    Timings,
)
from broken_convnets.commands.bench.verdict import Round
from broken_convnets.errors import DeviceError, RunnerError
from broken_convnets.observe.runner import open_torch_runner, runtime_of
from broken_convnets.sandbox.job import Job, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.bench.timing_job import TimedProgram
    from broken_convnets.sandbox.runner import Runner

OLD, NEW, CONTROL = VARIANTS = ("old", "new", "control")
LEAST_SECONDS = 60.0  # of processor time that a slow program may use, whatever its share
MEMORY_BYTES = 4 << 30


class CannotTime(Exception):  # noqa: N818  (a fact about a program, which a report states)
    """A program cannot be timed; the message is the reason."""


@dataclass(frozen=True)
class Effort:
    """How many processes to pool, and how many seconds of processor time they share."""

    processes: int = 8
    seconds: float = 2.4  # about three on the clock, if the machine is idle

    @property
    def share(self) -> float:
        """The seconds of one process."""
        return self.seconds / self.processes


DEFAULT_EFFORT = Effort()


@dataclass(frozen=True)
class Bench:
    """The runners of the old and the new program, which may be the same one, and their machines."""

    old_runner: Runner
    new_runner: Runner
    old: dict[str, str]  # fingerprint
    new: dict[str, str]

    def compare(self, old: TimedProgram, new: TimedProgram, effort: Effort) -> list[list[Round]]:
        """Return the rounds of each process; raises CannotTime if a program fails in one."""
        programs = {OLD: old, NEW: new, CONTROL: old}
        if self.old_runner is self.new_runner:
            return [self._together(programs, effort, seed) for seed in range(effort.processes)]
        return [[self._apart(programs, effort, seed)] for seed in range(effort.processes)]

    def time_alone(self, program: TimedProgram, effort: Effort) -> float:
        """Return the median over processes of the minimum time of a call, in nanoseconds.

        Raises CannotTime if the program fails.
        """
        minima = [
            _minimum(self.old_runner, TimingRequest({OLD: program}, effort.share, seed))
            for seed in range(effort.processes)
        ]
        return statistics.median(minima)

    def _together(
        self, programs: dict[str, TimedProgram], effort: Effort, seed: int
    ) -> list[Round]:
        """Return the rounds of one process that times all variants in turn."""
        rounds = _rounds(self.old_runner, TimingRequest(programs, effort.share, seed))
        return [Round(**minima) for minima in rounds]

    def _apart(self, programs: dict[str, TimedProgram], effort: Effort, seed: int) -> Round:
        """Return one round of three processes, one for each variant, in a random order."""
        runners = {OLD: self.old_runner, NEW: self.new_runner, CONTROL: self.old_runner}
        order = random.Random(seed).sample(VARIANTS, len(VARIANTS))  # noqa: S311  (not a secret)
        share = effort.share / len(VARIANTS)
        minima = {
            name: _minimum(runners[name], TimingRequest({name: programs[name]}, share, seed))
            for name in order
        }
        return Round(**minima)


def _minimum(runner: Runner, request: TimingRequest) -> float:
    """Return the minimum time of a call of the one program in `request`, in nanoseconds."""
    return min(least for each in _rounds(runner, request) for least in each.values())


def _rounds(runner: Runner, request: TimingRequest) -> list[dict[str, float]]:
    (result,) = runner.run([Job(0, TIME, request)], Timings)
    if result.answer is None:
        raise CannotTime(result.detail)
    if result.answer.error:
        raise CannotTime(result.answer.error)
    return result.answer.rounds


def limits_for(effort: Effort) -> Limits:
    """Return the limits of one process; one runs at a time, so that they do not disturb others."""
    seconds = LEAST_SECONDS + effort.share
    return Limits(
        seconds=seconds, memory_bytes=MEMORY_BYTES, workers=1, preload=PRELOAD, isolate=False
    )


@contextmanager
def open_bench(old: str, new: str, device: str, effort: Effort = DEFAULT_EFFORT) -> Iterator[Bench]:
    """Open a bench under the interpreters `old` and `new`, and close it afterwards.

    Its processes may use as much time as a comparison with `effort` needs.
    Raises RunnerError if one of them cannot run programs, and DeviceError if it has no `device`.
    """
    with ExitStack() as stack:
        runners = {
            python: stack.enter_context(_open(python, limits_for(effort)))
            for python in dict.fromkeys((old, new))
        }
        machines = {
            python: fingerprint_of(runner, python, device) for python, runner in runners.items()
        }
        yield Bench(runners[old], runners[new], machines[old], machines[new])


def _open(python: str, limits: Limits) -> Runner:
    try:
        return open_torch_runner(limits, python)
    except RunnerError as error:
        if python == sys.executable:
            raise
        message = f"--against-python {python}: {error}"
        raise RunnerError(message) from None


def fingerprint_of(runner: Runner, python: str, device: str) -> dict[str, str]:
    """Return what the times of a runner's processes depend on.

    Raises DeviceError if they have no `device`, and RunnerError if they cannot time programs.
    """
    reason = runtime_of(runner).devices.get(device, "unknown device")
    if reason:
        message = f"{device} is unavailable under {python}: {reason}"
        raise DeviceError(message)
    (result,) = runner.run([Job(0, FINGERPRINT, FingerprintRequest())], Machine)
    if result.answer is None:
        message = f"{python} cannot time programs: {result.detail}"
        raise RunnerError(message)
    return result.answer.fingerprint
