"""Functions that the tests run in a sandbox with torch, beside those of the package."""

from __future__ import annotations

from broken_convnets.observe.facts import Observation, RunRequest, RuntimeInfo, RuntimeRequest
from broken_convnets.observe.plain_run import PlainRun, plain_run
from broken_convnets.observe.run import observe
from broken_convnets.observe.runtime import runtime
from msgspec import Struct


class LateError(Struct, frozen=True):
    """A program, and which synchronization of its device raises an error; 0 for none."""

    source: str
    synchronization: int


class Synchronized(Struct, frozen=True):
    """How often the device was synchronized, and what the plain run did."""

    times: int
    run: PlainRun


class ObservedThere(Struct, frozen=True):
    """An observation, and the runtime of the process that made it."""

    observation: Observation
    runtime: RuntimeInfo


def observe_late_error(late: LateError) -> Synchronized:
    """Observe a program on a device that reports an error only when it is synchronized."""
    times = 0

    def synchronize() -> None:
        nonlocal times
        times += 1
        if times == late.synchronization:
            message = "late"
            raise RuntimeError(message)

    run, _, _ = plain_run(RunRequest(late.source, full=False), synchronize)
    return Synchronized(times, run)


def observe_there(request: RunRequest) -> ObservedThere:
    """Observe a program, and name the runtime."""
    return ObservedThere(observe(request), runtime(RuntimeRequest()))
