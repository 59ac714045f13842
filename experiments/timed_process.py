"""Run a command, and measure its time, its processor time and the memory of its process tree."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import psutil

from experiments.harness_workloads import ROOT

SAMPLE_EVERY = 0.25  # seconds between looks at memory
WORKLOAD = ("-m", "experiments.harness_workloads")


@dataclass(frozen=True)
class Run:
    """One run of a command."""

    startup: float  # seconds until it was ready; 0 unless it is a workload
    seconds: float  # including the startup
    peak: float  # memory of the whole process tree, GB
    processor: float  # seconds of processor time, which depends less on other load

    @property
    def working(self) -> float:
        """The seconds after the startup."""
        return self.seconds - self.startup


def run(*arguments: str) -> Run:
    """Run a Python command in the repository, and watch its memory."""
    begun, start, peak = time.time(), time.perf_counter(), 0
    worked = processor_seconds()
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        with ThreadPoolExecutor(1) as pool:
            output = pool.submit(process.communicate)
            while not output.done():
                peak = max(peak, tree_memory(process.pid))
                wait([output], timeout=SAMPLE_EVERY)
        seconds = time.perf_counter() - start
        if process.returncode:
            message = f"{' '.join(arguments)} failed with {process.returncode}"
            raise RuntimeError(message)
    text = output.result()[0]
    is_workload = arguments[: len(WORKLOAD)] == WORKLOAD
    startup = json.loads(text)["ready"] - begun if is_workload and text else 0.0
    return Run(startup, seconds, peak / 1e9, processor_seconds() - worked)


def workload(name: str, pairs: int = 0) -> Run:
    """Run a workload in a process of its own."""
    return run(*WORKLOAD, name, str(pairs))


def processor_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tree_memory(pid: int) -> int:
    """Return the proportional set size of a process and its descendants, in bytes.

    Pages that forked processes share count once.
    """
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as stream:  # noqa: PTH123  (hot)
                total += 1024 * int(stream.read().partition("\nPss:")[2].split()[0])
    except (psutil.Error, OSError, IndexError):
        pass  # it has just ended
    return total
