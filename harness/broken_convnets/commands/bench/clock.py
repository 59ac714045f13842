"""Clocks with one protocol: take samples of calls on the host, or on a CUDA device.

Both take short samples, most of which other processes leave undisturbed, and both run the calls
in inference mode by default, since a forward pass is timed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from broken_convnets.commands.bench.stabilize import stabilize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    Call = Callable[[], object]

WARM_UPS = 3
SHORTEST_NS = 50_000  # of one sample on the host: a thousand times what reading the clock takes
MILLISECOND = 1_000_000  # nanoseconds


@dataclass(frozen=True)
class Reading:
    """Samples in nanoseconds a call, in the order of the calls: on the device, and on the host.

    The two are equal on a CPU. With a GPU, `host_ns` is the time to launch the work.
    """

    ns: list[float]
    host_ns: list[float]


@dataclass(frozen=True)
class Figures:
    """A summary of samples, in nanoseconds a call."""

    minimum: float
    median: float
    iqr: float  # interquartile range
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figures:
        """Return the figures of at least one sample."""
        low, middle, high = np.percentile(np.asarray(samples), [25, 50, 75])
        return cls(float(min(samples)), float(middle), float(high - low), len(samples))


class Clock(Protocol):
    """Takes samples of calls."""

    mode: str  # how it times, for the record

    def read(self, calls: Sequence[Call], repeat: int = 1) -> Reading:
        """Take one sample of each call, in order; a sample runs it `repeat` times."""


class HostClock:
    """Times on the processor that launches the work, which on a CPU also does it."""

    mode = "host"

    def __init__(
        self,
        timer: Callable[[], int] = time.perf_counter_ns,
        inference: Callable[[], AbstractContextManager[Any]] = torch.inference_mode,
    ) -> None:
        """Stabilize the process; raises RuntimeError if torch uses several threads.

        The calls run within `inference()`; pass `contextlib.nullcontext` to time training.
        """
        stabilize()
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
        """Return the milliseconds between two marks; raises if one has not been reached yet."""


class Device(Protocol):
    """What an event clock needs of a device that works asynchronously."""

    def event(self) -> Event:
        """Return a new event that records times."""

    def synchronize(self) -> None:
        """Wait until the device has finished all queued work."""

    def graph(self, call: Call, repeat: int) -> Call:
        """Return a call that replays `repeat` runs of `call` without the host."""


class EventClock:
    """Times on the device: a pair of events around each sample, and one wait at the end.

    Without the wait the device has not reached the events yet, and reading them raises.
    """

    mode = "events"

    def __init__(self, device: Device, timer: Callable[[], int] = time.perf_counter_ns) -> None:
        """Time on `device`, and the launches on the host by `timer`."""
        self._device = device
        self._timer = timer

    def read(self, calls: Sequence[Call], repeat: int = 1) -> Reading:
        """Take one sample of each call, in order."""
        device, timer = self._device, self._timer
        pairs = [(device.event(), device.event()) for _ in calls]
        host = []
        with torch.inference_mode():
            for call, (start, end) in zip(calls, pairs, strict=True):
                begun = timer()
                start.record()
                for _ in range(repeat):
                    call()
                end.record()
                host.append((timer() - begun) / repeat)
            device.synchronize()
        ns = [start.elapsed_time(end) * MILLISECOND / repeat for start, end in pairs]
        return Reading(ns, host)


def repeat_for(call_ns: float, shortest_ns: float = SHORTEST_NS) -> int:
    """Return how often a call of `call_ns` must run in a sample of at least `shortest_ns`."""
    return max(1, math.ceil(shortest_ns / max(call_ns, 1.0)))
