"""Run and judge a corpus of broken and fixed PyTorch convolutional networks.

`explain(text)` names the cases that are like a message or a traceback.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .matching import explain

__all__ = ["explain"]

_MODULES = {"explain": ".matching"}  # loaded at the first use: most commands need none of them


def __getattr__(name: str) -> Any:
    """Return a function of the Python API, from the module that holds it."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_MODULES[name], __name__), name)
