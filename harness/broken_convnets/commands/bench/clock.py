"""Clocks with one protocol: take samples of calls on the host, or on a CUDA device.

Both time short samples, so that most are left alone by whatever else runs, and both run
under inference mode, as what is timed is a forward pass.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from broken_convnets.commands.bench.stabilize import hold_steady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    Call = Callable[[], object]

WARM_UPS = 3
SHORTEST_NS = 50_000  # of one sample on the host: a thousand times what reading a clock takes
MICROSECOND = 1_000
MILLISECOND = 1_000_000  # nanoseconds


@dataclass(frozen=True)
class Reading:
    """Samples in nanoseconds a call, in the order of the calls: where they ran, on the host.

    The two are the same thing on a CPU. On a device, the host's share is what it takes to
    start the work.
    """

    ns: list[float]
    host_ns: list[float]


@dataclass(frozen=True)
class Figures:
    """What is kept of samples, in nanoseconds a call."""

    minimum: float
    median: float
    iqr: float
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figures:
        """Return the figures of samples, of which there must be one."""
        low, middle, high = np.percentile(np.asarray(samples), [25, 50, 75])
        return cls(float(min(samples)), float(middle), float(high - low), len(samples))


class Clock(Protocol):
    """Takes samples of calls."""

    mode: str  # in words, for the record

    def read(self, calls: Sequence[Call], repeat: int = 1) -> Reading:
        """Take one sample of each call, in order; a sample runs it `repeat` times."""


class HostClock:
    """Times on the processor that starts the work, which on a CPU also does it."""

    mode = "host"

    def __init__(
        self,
        timer: Callable[[], int] = time.perf_counter_ns,
        inference: Callable[[], AbstractContextManager[Any]] = torch.inference_mode,
    ) -> None:
        """Hold the process steady; raises RuntimeError where torch has several threads.

        `inference` is what the calls run under; training has `contextlib.nullcontext`.
        """
        self.steadied = hold_steady()
        self._timer = timer
        self._inference = inference

    def read(self, calls: Sequence[Call], repeat: int = 1) -> Reading:
        """Take one sample of each call, in order."""
        timer, samples = self._timer, []
        with self._inference():
            for call in calls:
                start = timer()
                for _ in range(repeat):
                    call()
                samples.append((timer() - start) / repeat)
        return Reading(samples, samples)


class Event(Protocol):
    """A mark in a device's queue of work, as torch.cuda.Event."""

    def record(self) -> None:
        """Put the mark at the end of the queue."""

    def elapsed_time(self, end: Any) -> float:
        """Return the milliseconds between two marks; raise where one is not passed yet."""


class Device(Protocol):
    """What an event clock needs of a device that works while the host goes on."""

    def event(self) -> Event:
        """Return a new mark that takes times."""

    def synchronize(self) -> None:
        """Wait until the device has done all that was queued."""

    def flush(self) -> None:
        """Queue what empties the device's cache."""

    def graph(self, call: Call, repeat: int) -> Call:
        """Return a call that replays `repeat` runs of `call` without the host."""


class EventClock:
    """Times on the device: a pair of events around each sample, and one wait at the end.

    Without the wait the events are not passed yet, and reading them raises. `cold` empties
    the device's cache before each sample.
    """

    def __init__(
        self,
        device: Device,
        timer: Callable[[], int] = time.perf_counter_ns,
        *,
        cold: bool = False,
    ) -> None:
        """Time on `device`, and the host's share by `timer`."""
        self._device = device
        self._timer = timer
        self._cold = cold
        self.mode = "events, cold cache" if cold else "events, warm cache"

    def read(self, calls: Sequence[Call], repeat: int = 1) -> Reading:
        """Take one sample of each call, in order."""
        device, timer = self._device, self._timer
        pairs = [(device.event(), device.event()) for _ in calls]
        host = []
        with torch.inference_mode():
            for call, (start, end) in zip(calls, pairs, strict=True):
                if self._cold:
                    device.flush()
                begun = timer()
                start.record()
                for _ in range(repeat):
                    call()
                end.record()
                host.append((timer() - begun) / repeat)
            device.synchronize()
        ns = [start.elapsed_time(end) * MILLISECOND / repeat for start, end in pairs]
        return Reading(ns, host)


@dataclass(frozen=True)
class Measured:
    """Figures of one call: on the device and on the host, and how they were taken."""

    device: Figures
    host: Figures
    mode: str

    @property
    def bound_by_host(self) -> bool:
        """Whether the device waited for the host, which then is what was timed."""
        return self.host.median > 0.9 * self.device.median and "graph" not in self.mode


def repeat_for(call_ns: float, shortest_ns: float = SHORTEST_NS) -> int:
    """Return how often a call of `call_ns` runs in one sample of at least `shortest_ns`."""
    return max(1, math.ceil(shortest_ns / max(call_ns, 1.0)))


def measure(clock: Clock, call: Call, samples: int = 30) -> Measured:
    """Warm a call up and return the figures of `samples` samples of it."""
    clock.read([call] * WARM_UPS)
    repeat = repeat_for(min(clock.read([call] * WARM_UPS).ns))
    reading = clock.read([call] * samples, repeat)
    return Measured(Figures.of(reading.ns), Figures.of(reading.host_ns), clock.mode)
