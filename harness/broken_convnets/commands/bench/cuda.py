"""Time calls on a CUDA device, and read the state of the GPU while it is timed.

Tested with a simulated device; not yet run on a GPU.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.bench.clock import (
    SHORTEST_NS,
    WARM_UPS,
    EventClock,
    Figures,
    repeat_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.bench.clock import Call, Device

RESOLUTION_NS = 500  # of an event
SHORTEST_EVENTS_NS = 20 * RESOLUTION_NS
STATE = ("name", "driver_version", "clocks.sm", "clocks.max.sm", "temperature.gpu", "pstate")
# Why the clocks are throttled: the field's name since driver 535, and its earlier name.
REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
QUERY_SECONDS = 10


class CudaDevice:
    """The current CUDA device."""

    def event(self) -> Any:
        """Return a new event that records times."""
        return torch.cuda.Event(enable_timing=True)

    def synchronize(self) -> None:
        """Wait until the device has finished all queued work."""
        torch.cuda.synchronize()

    def graph(self, call: Call, repeat: int) -> Call:
        """Capture `repeat` runs of a call; raises RuntimeError if it cannot be captured."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side), torch.inference_mode():
            for _ in range(WARM_UPS):
                call()
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured), torch.inference_mode():
            for _ in range(repeat):
                call()
        replay: Call = captured.replay
        return replay


@dataclass(frozen=True)
class Measured:
    """Figures of one call on the device and on the host, and how they were measured."""

    device: Figures
    host: Figures
    mode: str

    @property
    def bound_by_host(self) -> bool:
        """Whether the device waited for the host, so that the host was timed."""
        return self.host.median > 0.9 * self.device.median and "graph" not in self.mode


def measure_on(
    device: Device,
    call: Call,
    samples: int = 30,
    timer: Callable[[], int] = time.perf_counter_ns,
) -> Measured:
    """Warm a call up and return its figures on a device.

    A call that is too short for events is replayed many times as one CUDA graph, or run many
    times between two events if it cannot be captured.
    """
    clock = EventClock(device, timer)
    clock.read([call] * WARM_UPS)
    shortest = min(clock.read([call] * WARM_UPS).ns)
    if shortest >= SHORTEST_EVENTS_NS:
        reading = clock.read([call] * samples)
        return Measured(Figures.of(reading.ns), Figures.of(reading.host_ns), clock.mode)
    return _measure_repeated(clock, device, call, samples, repeat_for(shortest, SHORTEST_NS))


def _measure_repeated(
    clock: EventClock, device: Device, call: Call, samples: int, repeat: int
) -> Measured:
    host = clock.read([call] * samples, repeat)
    try:
        replay = device.graph(call, repeat)
    except RuntimeError:
        mode = f"{clock.mode}, {repeat} calls a sample"
        return Measured(Figures.of(host.ns), Figures.of(host.host_ns), mode)
    clock.read([replay] * WARM_UPS)
    ns = [sample / repeat for sample in clock.read([replay] * samples).ns]
    mode = f"{clock.mode}, a graph of {repeat} calls a sample"
    return Measured(Figures.of(ns), Figures.of(host.host_ns), mode)


def gpu_state() -> dict[str, str]:
    """Return driver, clocks and throttling as nvidia-smi reports them; empty without it."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return {}
    for reasons in REASONS:  # a driver rejects a query with a field that it does not know
        values = _query(command, (*STATE, reasons))
        if values:
            return dict(zip((*STATE, REASONS[0]), values, strict=True))
    return {}


def _query(command: str, fields: tuple[str, ...]) -> list[str]:
    query = [command, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True
        )
        rows = [line.split(", ") for line in done.stdout.splitlines()]
        return rows[0] if rows and len(rows[0]) == len(fields) else []
    return []
