"""Open a sandbox that can run PyTorch programs, and ask what they would run with.

Does not import torch: the processes of the sandbox do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import RunnerError
from broken_convnets.observe.facts import RuntimeInfo, RuntimeRequest
from broken_convnets.sandbox.choice import open_runner
from broken_convnets.sandbox.job import Job
from broken_convnets.sandbox.varied_runner import VariedRunner

if TYPE_CHECKING:
    from broken_convnets.sandbox.job import Limits
    from broken_convnets.sandbox.runner import Runner

OBSERVE = "broken_convnets.observe.run:observe"  # RunRequest -> Observation
COUNT = "broken_convnets.observe.run:count"  # RunRequest -> CostReport
SCRIPT = "broken_convnets.observe.script:run_script"  # ScriptRequest -> ScriptRun
RUNTIME = "broken_convnets.observe.runtime:runtime"  # RuntimeRequest -> RuntimeInfo
PRELOAD = ["broken_convnets.observe.preload"]


def open_torch_runner(limits: Limits, python: str = sys.executable) -> Runner:
    """Return a runner whose processes, of the executable `python`, have torch loaded.

    Raises RunnerError if torch is missing there.
    """
    return open_runner(with_torch(limits), python)


def open_varied_runner(limits: Limits, python: str = sys.executable) -> Runner:
    """Return a runner of two servers with torch, for runs that must agree; see `VariedRunner`."""
    return VariedRunner(with_torch(limits), python)


def with_torch(limits: Limits) -> Limits:
    """Return limits under which a runner's processes have torch loaded."""
    return msgspec.structs.replace(limits, preload=[*PRELOAD, *limits.preload])


def runtime_of(runner: Runner) -> RuntimeInfo:
    """Return the versions and devices of a runner's processes."""
    (result,) = runner.run([Job(0, RUNTIME, RuntimeRequest())], RuntimeInfo)
    if result.answer is None:
        message = f"torch cannot be used: {result.detail}"
        raise RunnerError(message)
    return result.answer
