"""The environment variables under which this package starts processes of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def environment(import_path: str | None = None, hash_seed: int = 0) -> dict[str, str]:
    """Return an environment in which this package can be imported and hashing is repeatable.

    `import_path` is the PYTHONPATH of another interpreter; by default, it is that of this process.
    """
    paths = [import_path] if import_path else [str(PACKAGE.parent), *sys.path[1:]]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
