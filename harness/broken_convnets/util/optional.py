"""Libraries that are installed only on request, and the sentence for one that is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROPER_NAMES = {"torch": "PyTorch", "PIL": "Pillow", "numpy": "NumPy"}


def first_missing(modules: Iterable[str]) -> str | None:
    """Return the first top-level module that is not installed, without importing any."""
    return next((name for name in modules if find_spec(name) is None), None)


def how_to_install(feature: str, module: str) -> str:
    """Return a sentence that says what `feature` needs and how to install it."""
    name = PROPER_NAMES.get(module, module)
    return f"`{feature}` needs {name}: pip install 'broken-convnets[torch]'"
