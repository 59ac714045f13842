"""A CUDA device for the event clock, and what state it was in while it was timed.

Written against torch's documentation and proven on a fake device; not yet run on a GPU.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.bench.clock import (
    SHORTEST_NS,
    WARM_UPS,
    EventClock,
    Figures,
    Measured,
    repeat_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.bench.clock import Call, Device

RESOLUTION_NS = 500  # of an event
SHORTEST_EVENTS_NS = 20 * RESOLUTION_NS
STATE = ("name", "driver_version", "clocks.sm", "clocks.max.sm", "temperature.gpu", "pstate")
# What holds the clocks down: its name since driver 535, and the one before.
REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
QUERY_SECONDS = 10


class CudaDevice:
    """The current CUDA device."""

    def __init__(self) -> None:
        """Make what the cache is flushed with."""
        properties = torch.cuda.get_device_properties()
        size = int(getattr(properties, "L2_cache_size", 0) or 64 << 20)
        self._cache = torch.empty(2 * size, dtype=torch.uint8, device="cuda")

    def event(self) -> Any:
        """Return a new event that takes times."""
        return torch.cuda.Event(enable_timing=True)

    def synchronize(self) -> None:
        """Wait for everything that was queued."""
        torch.cuda.synchronize()

    def flush(self) -> None:
        """Queue a write of twice the second-level cache."""
        self._cache.zero_()

    def graph(self, call: Call, repeat: int) -> Call:
        """Capture `repeat` runs of a call; raises RuntimeError where it cannot be captured."""
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


def measure_on(
    device: Device,
    call: Call,
    samples: int = 30,
    *,
    cold: bool = False,
    timer: Callable[[], int] = time.perf_counter_ns,
) -> Measured:
    """Warm a call up and return its figures on a device.

    A call that is too short for events is replayed many times as one graph, or else run many
    times between two events. With a cold cache there is neither: repeats would warm it.
    """
    clock = EventClock(device, timer, cold=cold)
    clock.read([call] * WARM_UPS)
    short = min(clock.read([call] * WARM_UPS).ns)
    if cold or short >= SHORTEST_EVENTS_NS:
        reading, mode = clock.read([call] * samples), clock.mode
        return Measured(Figures.of(reading.ns), Figures.of(reading.host_ns), mode)
    repeat = repeat_for(short, SHORTEST_NS)
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
    """Return driver, clocks and throttling as nvidia-smi gives them; empty without it."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return {}
    for reasons in REASONS:  # a driver refuses a question with a name that it does not know
        values = _ask(command, (*STATE, reasons))
        if values:
            return dict(zip((*STATE, REASONS[0]), values, strict=True))
    return {}


def _ask(command: str, fields: tuple[str, ...]) -> list[str]:
    query = [command, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True
        )
        rows = [line.split(", ") for line in done.stdout.splitlines()]
        return rows[0] if rows and len(rows[0]) == len(fields) else []
    return []
