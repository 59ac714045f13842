"""A process that times programs on request: `python -m broken_convnets.commands.bench.worker DEVICE`.

It loads torch once and forks a child for each set of programs, so that no program meets what
another has left. Where a process cannot be forked it serves one set and ends.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from broken_convnets.commands.bench.protocol import (
    Call,
    Failed,
    Open,
    Opened,
    Ready,
    Reply,
    Request,
    Target,
    Time,
    Times,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.bench.clock import Clock

WARM_SECONDS = 0.02
WARM_CALLS = 3  # at least
MASKED = 200  # characters of what a program raised


class Pipes:
    """Requests in, replies out, one at a time: nothing is read ahead of a fork."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        """Use two unbuffered streams."""
        self._requests = requests
        self._replies = replies

    def next(self) -> Request | None:
        """Return the next request; None where nobody is there to ask."""
        line = self._requests.readline()
        return msgspec.json.decode(line, type=Request) if line else None

    def say(self, reply: Reply) -> None:
        """Send a reply."""
        self._replies.write(msgspec.json.encode(reply) + b"\n")


def main() -> None:
    """Answer requests until there are none."""
    pipes = _take_streams()
    from broken_convnets.commands.bench.fingerprint import fingerprint  # noqa: PLC0415  (likewise)
    from broken_convnets.commands.bench.stabilize import hold_steady  # noqa: PLC0415  (likewise)
    from broken_convnets.observe import preload  # noqa: PLC0415  (imports torch: only once the streams are safe)
    from broken_convnets.observe.facts import RuntimeRequest  # noqa: PLC0415  (likewise)
    from broken_convnets.observe.runtime import runtime  # noqa: PLC0415  (likewise)

    preload.configure()
    steadied = hold_steady()
    reason = runtime(RuntimeRequest()).devices.get(sys.argv[1], "unknown device")
    if reason:
        pipes.say(Failed(f"{sys.argv[1]} is unavailable: {reason}"))
        return
    pipes.say(Ready(fingerprint(steadied)))
    while (request := pipes.next()) is not None:
        if isinstance(request, Open):
            _serve(request, pipes)
    os._exit(0)  # unloading torch takes long


def _take_streams() -> Pipes:
    """Keep the standard streams for ourselves; what a program prints must not mix in."""
    pipes = Pipes(os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    return pipes


def _serve(request: Open, pipes: Pipes) -> None:
    if not hasattr(os, "fork"):
        _session(request, pipes)
        return
    orderly, signed = os.pipe()  # an exit status of 0 could be the program's own
    pid = os.fork()
    if pid == 0:
        try:
            _session(request, pipes)
            os.write(signed, b".")
        finally:
            os._exit(0)
    os.close(signed)
    if not os.read(orderly, 1):
        pipes.say(Failed("the program ended its process"))
    os.close(orderly)
    os.waitpid(pid, 0)


def _session(request: Open, pipes: Pipes) -> None:
    """Time the programs of one request until they are closed."""
    with tempfile.TemporaryDirectory(prefix="broken-convnets-") as scratch:
        try:
            _answer(request, pipes, Path(scratch))
        except Exception as error:  # noqa: BLE001  (whatever the program raises)
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            pipes.say(Failed(text[:MASKED]))
            while isinstance(pipes.next(), Time):
                pass


def _answer(request: Open, pipes: Pipes, scratch: Path) -> None:
    calls = {name: _call(target, scratch / name) for name, target in request.targets.items()}
    clock = _clock(request.targets)
    pipes.say(Opened({name: _warm(clock, call) for name, call in calls.items()}))
    while isinstance(asked := pipes.next(), Time):
        reading = clock.read([calls[name] for name in asked.names], asked.repeat)
        pipes.say(Times(reading.ns))


def _clock(targets: dict[str, Target]) -> Clock:
    from broken_convnets.commands.bench.clock import EventClock, HostClock  # noqa: PLC0415  (imports torch)
    from broken_convnets.commands.bench.cuda import CudaDevice  # noqa: PLC0415  (likewise)

    first = next(iter(targets.values()))
    if first.call is not Call.FORWARD:
        return HostClock(inference=contextlib.nullcontext)
    return EventClock(CudaDevice()) if first.device == "cuda" else HostClock()


def _warm(clock: Clock, call: Callable[[], object]) -> float:
    """Call until a time is over and return the least time of a call."""
    best, end, done = float("inf"), time.monotonic() + WARM_SECONDS, 0
    while done < WARM_CALLS or time.monotonic() < end:
        best = min(best, *clock.read([call]).ns)
        done += 1
    return best


def _call(target: Target, folder: Path) -> Callable[[], object]:
    """Load a program in a folder of its own and return what is timed of it."""
    from broken_convnets.commands.bench.inputs import Size, inputs_of  # noqa: PLC0415  (likewise)
    from broken_convnets.observe.program import FILE_NAME, Program  # noqa: PLC0415  (imports torch)

    folder.mkdir()
    os.chdir(folder)
    sys.modules.pop(Path(FILE_NAME).stem, None)  # another program had the same name
    importlib.invalidate_caches()
    try:
        program = Program.load(target.source, 0, target.device)
    except Exception:
        if target.call is Call.FAILURE:
            return lambda: _failing(lambda: Program.load(target.source, 0, target.device))
        raise
    wait = synchronizer(target.device)
    if target.call is Call.FAILURE:
        return lambda: _failing(
            lambda: wait(program.run(program.net(), program.inputs(), program.targets()))
        )
    net, inputs, targets = program.net(), inputs_of(program, Size(target.size)), program.targets()
    if target.call is Call.RUN:
        return lambda: wait(program.run(net, inputs, targets))
    net.eval()
    if target.device == "cpu":  # entering a device costs more than a small layer
        return lambda: net(*inputs)
    return lambda: program.forward(net, *inputs)


def synchronizer(device: str) -> Callable[[object], None]:
    """Return what waits for a device, and takes what was made there; nothing on a CPU."""
    if device != "cuda":
        return lambda _: None
    import torch  # noqa: PLC0415  (loaded before the fork)

    return lambda _: torch.cuda.synchronize()


def _failing(call: Callable[[], object]) -> None:
    """Call what is to raise; raises LookupError where it does not."""
    try:
        call()
    except Exception:  # noqa: BLE001  (whatever it is)
        return
    message = "it raises nothing"
    raise LookupError(message)


if __name__ == "__main__":
    main()
