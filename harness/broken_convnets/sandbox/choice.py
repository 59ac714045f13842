"""The choice of a runner for this system."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.subprocess_runner import SubprocessRunner

if TYPE_CHECKING:
    from broken_convnets.sandbox.job import Limits
    from broken_convnets.sandbox.runner import Runner


def open_runner(limits: Limits, python: str = sys.executable) -> Runner:
    """Return the fastest runner for this system: forks on Linux, else new interpreters.

    `python` is the executable of its processes. Raises RunnerError if a fork server cannot be
    started with it, or cannot import a module of `limits.preload`.
    """
    return (ForkServer if hasattr(os, "pidfd_open") else SubprocessRunner)(limits, python)
