"""The environment variables under which this package starts processes of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """Return an environment in which this package can be imported and hashing is repeatable."""
    paths = [str(PACKAGE.parent), *sys.path[1:]]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
