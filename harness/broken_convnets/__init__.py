"""Run and judge a corpus of broken and fixed PyTorch convolutional networks.

`explain(text)` names the cases that are like a message or a traceback.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broken_convnets.commands.explain.matching import explain
    from broken_convnets.commands.trace.check import check
    from broken_convnets.commands.trace.trace import trace

# Imported on first use: `check` and `trace` load torch, and much of the package does without.
_FUNCTIONS = {
    "check": "commands.trace.check",
    "explain": "commands.explain.matching",
    "trace": "commands.trace.trace",
}

__all__ = ["check", "explain", "trace"]


def __getattr__(name: str) -> Any:
    """Return a function of the package."""
    if name not in _FUNCTIONS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f".{_FUNCTIONS[name]}", __name__), name)
