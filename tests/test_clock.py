"""Clocks measure calls; an asynchronous device must be waited for."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

torch = pytest.importorskip("torch")

from broken_convnets.commands.bench import stabilize  # noqa: E402  (imports torch)
from broken_convnets.commands.bench.clock import (  # noqa: E402  (likewise)
    SHORTEST_NS,
    EventClock,
    Figures,
    HostClock,
    repeat_for,
)
from broken_convnets.commands.bench.cuda import RESOLUTION_NS, gpu_state, measure_on  # noqa: E402  (likewise)

MICRO = 1_000


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the settings of the process that runs the tests as they are."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(torch, "set_flush_denormal", lambda _: True)
    monkeypatch.setattr(stabilize, "keep_pages", lambda: "keeps pages")


@dataclass
class Timeline:
    """A host and a device on one simulated axis of time, in nanoseconds.

    Launching work takes the host `launch_ns`; the device runs it asynchronously, one piece after
    another, in `work_ns`. Events cannot be read before the host has waited long enough.
    """

    launch_ns: float = 5 * MICRO
    work_ns: float = 300 * MICRO
    waits: bool = True  # sick: synchronize returns at once
    graphs: bool = True
    now: float = 0.0
    free_at: float = 0.0  # when the device has finished all queued work
    log: list[str] = field(default_factory=list)

    def timer(self) -> int:
        return int(self.now)

    def call(self) -> None:
        self.now += self.launch_ns
        self.free_at = max(self.free_at, self.now) + self.work_ns

    def event(self) -> Mark:
        return Mark(self)

    def synchronize(self) -> None:
        self.log.append("synchronize")
        if self.waits:
            self.now = max(self.now, self.free_at)

    def graph(self, call: Callable[[], object], repeat: int) -> Callable[[], object]:
        del call
        if not self.graphs:
            message = "operation not permitted when stream is capturing"
            raise RuntimeError(message)

        def replay() -> None:
            self.log.append("replay")
            self.now += self.launch_ns
            self.free_at = max(self.free_at, self.now) + repeat * self.work_ns

        return replay


@dataclass
class Mark:
    line: Timeline
    at: float | None = None

    def record(self) -> None:
        self.line.log.append("record")
        self.at = max(self.line.free_at, self.line.now)

    def elapsed_time(self, end: Mark) -> float:
        self.line.log.append("elapsed")
        assert self.at is not None
        assert end.at is not None
        if end.at > self.line.now:
            message = "device not ready"
            raise RuntimeError(message)
        return (end.at - self.at) / 1_000_000


def test_an_event_clock_separates_the_device_from_the_host() -> None:
    line = Timeline()
    reading = EventClock(line, line.timer).read([line.call] * 4)
    assert reading.ns[1:] == pytest.approx([300 * MICRO] * 3)
    assert reading.host_ns == pytest.approx([5 * MICRO] * 4)


def test_each_sample_has_one_pair_of_events_and_there_is_one_wait() -> None:
    line = Timeline()
    EventClock(line, line.timer).read([line.call] * 3)
    assert line.log == ["record"] * 6 + ["synchronize"] + ["elapsed"] * 3


def test_reading_events_without_the_wait_raises() -> None:
    line = Timeline(waits=False)
    with pytest.raises(RuntimeError, match="not ready"):
        EventClock(line, line.timer).read([line.call])


def test_a_host_clock_measures_a_device_only_with_a_wait() -> None:
    line = Timeline()
    clock = HostClock(line.timer)
    (hasty,) = clock.read([line.call]).ns
    line.synchronize()

    def waiting() -> None:
        line.call()
        line.synchronize()

    (patient,) = clock.read([waiting]).ns
    assert hasty == pytest.approx(5 * MICRO)
    assert patient == pytest.approx(305 * MICRO)


@pytest.mark.parametrize(
    ("work_us", "graphs", "mode"),
    [
        (300, True, "events"),
        (2, True, "events, a graph of 10 calls a sample"),
        (2, False, "events, 10 calls a sample"),
    ],
)
def test_a_call_too_short_for_events_is_replayed_or_repeated(
    work_us: int,
    graphs: bool,  # noqa: FBT001  (a row of a table)
    mode: str,
) -> None:
    line = Timeline(launch_ns=5 * MICRO, work_ns=work_us * MICRO, graphs=graphs)
    found = measure_on(line, line.call, samples=5, timer=line.timer)
    assert found.mode == mode
    assert found.device.count == 5
    assert found.host.median == pytest.approx(5 * MICRO)
    if graphs:
        assert found.device.median == pytest.approx(work_us * MICRO)
        assert not found.bound_by_host
    else:
        assert found.bound_by_host, "the device waited for the host"


def test_a_short_call_takes_less_than_twenty_times_the_resolution_of_events() -> None:
    for work, many in ((20 * RESOLUTION_NS + 1, False), (20 * RESOLUTION_NS - 6 * MICRO, True)):
        line = Timeline(launch_ns=0, work_ns=work)
        assert ("graph" in measure_on(line, line.call, samples=3).mode) is many


class Ticking:
    """A host on which each call takes the next of given times, and reading the clock takes none."""

    def __init__(self, *takes: float) -> None:
        self.now = 0.0
        self._takes = takes
        self.calls = 0

    def timer(self) -> int:
        return int(self.now)

    def next(self) -> float:
        self.calls += 1
        return self._takes[(self.calls - 1) % len(self._takes)]

    def call(self) -> None:
        self.now += self.next()


def test_a_host_clock_returns_the_samples_in_the_order_of_the_calls() -> None:
    slow, quick = Ticking(9), Ticking(4)
    quick.call = lambda: setattr(slow, "now", slow.now + 4)  # type: ignore[method-assign]  # made slower
    reading = HostClock(slow.timer).read([slow.call, quick.call, slow.call])
    assert reading.ns == reading.host_ns == [9, 4, 9]


def test_calls_run_in_inference_mode_or_in_the_given_context() -> None:
    seen: list[bool] = []

    def call() -> None:
        seen.append(torch.is_inference_mode_enabled())

    HostClock().read([call])
    HostClock(inference=nullcontext).read([call])
    assert seen == [True, False]


def test_a_host_clock_rejects_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with pytest.raises(RuntimeError, match="2 threads"):
        HostClock()


def test_warm_ups_are_not_among_the_samples() -> None:
    line = Timeline(launch_ns=0)
    late = Ticking(*[10_000 * MICRO] * 2, *[200 * MICRO] * 100)

    def call() -> None:
        line.work_ns = late.next()
        line.call()

    found = measure_on(line, call, samples=20, timer=line.timer)
    assert (found.device.minimum, found.device.median) == pytest.approx((200 * MICRO,) * 2)
    assert found.device.count == 20


@pytest.mark.parametrize(
    ("call_ns", "repeat"), [(0, SHORTEST_NS), (1, SHORTEST_NS), (17 * MICRO, 3), (1e9, 1)]
)
def test_a_sample_repeats_a_short_call(call_ns: float, repeat: int) -> None:
    assert repeat_for(call_ns) == repeat


def test_figures_are_minimum_median_and_interquartile_range() -> None:
    assert Figures.of([4.0, 1.0, 2.0, 3.0, 5.0]) == Figures(1.0, 3.0, 2.0, 5)


@pytest.mark.parametrize(
    ("answers", "mode"),
    [
        ((1, 1, 1), "keeps pages"),
        ((0, 1, 1), "keeps some pages"),
        ((0, 0, 0), "default"),
    ],
)
def test_the_mode_of_malloc_is_what_the_c_library_accepts(
    answers: tuple[int, ...], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    given = iter(answers)
    asked: list[int] = []

    def mallopt(option: int, _: int) -> int:
        asked.append(option)
        return next(given)

    assert stabilize.keep_pages(mallopt) == mode
    assert asked == [-3, -1, -2]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_the_real_c_library_accepts_every_setting_or_none() -> None:
    code = "from broken_convnets.commands.bench.stabilize import keep_pages; print(keep_pages())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"keeps pages", "default"}


def test_without_nvidia_smi_a_gpu_has_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broken_convnets.commands.bench.cuda.shutil.which", lambda _: None)
    assert gpu_state() == {}


ANSWER = "NVIDIA H100, 580.1, 1980 MHz, 1980 MHz, 31, P0, 0x0"
STATE = {
    "name": "NVIDIA H100",
    "driver_version": "580.1",
    "clocks.sm": "1980 MHz",
    "clocks.max.sm": "1980 MHz",
    "temperature.gpu": "31",
    "pstate": "P0",
    "clocks_event_reasons.active": "0x0",
}


@pytest.mark.parametrize(
    ("knows", "said", "state"),
    [
        ("clocks_event_reasons", ANSWER, STATE),
        ("clocks_throttle_reasons", ANSWER, STATE),  # a driver before 535
        ("clocks", "No devices were found", {}),
        ("clocks", "", {}),
        ("nothing", ANSWER, {}),
    ],
)
def test_the_state_of_a_gpu_is_read_from_nvidia_smi(
    knows: str, said: str, state: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    answers = f'case "$1" in *{knows}*) echo "{said}" ;; *) exit 2 ;; esac'
    program.write_text(f"#!/bin/sh\n{answers}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("broken_convnets.commands.bench.cuda.shutil.which", lambda _: str(program))
    assert gpu_state() == state
