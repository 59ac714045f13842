"""Find the `concurrent.futures` executor that the option `--executor` names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from concurrent.futures import Executor


def load_executor(spec: str) -> Executor:
    """Return the executor that the callable in `spec` ("module:callable") returns.

    The module may be in the working directory. Raises UsageError if it cannot be imported or
    if the callable does not return an executor.
    """
    module, _, name = spec.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        message = f"--executor {spec}: {error}; pass module:callable that returns an executor"
        raise UsageError(message) from None
    finally:
        sys.path.pop(0)
    if not callable(getattr(made, "submit", None)):
        message = f"--executor {spec}: returned a {type(made).__name__}, which has no submit()"
        raise UsageError(message)
    executor: Executor = made
    return executor
