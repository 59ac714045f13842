"""Run the command line with a sandbox that loads torch and nothing else, which halves its start.

For tests of what happens around programs. A program that needs more of torch loads it itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from broken_convnets import cli
from broken_convnets.observe import runner

COMMAND = [sys.executable, "-m", "quick_start"]


def environment() -> dict[str, str]:
    """Return an environment in which COMMAND and the processes of its sandbox find this module."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def configure() -> None:
    """Load torch in the process that forks, without the warm-up of `preload`."""
    from broken_convnets.observe import preload  # noqa: PLC0415  (the parent works without torch)

    preload.configure()


if __name__ == "__main__":
    runner.PRELOAD[:] = ["quick_start"]
    sys.exit(cli.main())
