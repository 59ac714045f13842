"""Where results that can be computed again are stored between runs."""

from __future__ import annotations

import os
from pathlib import Path

from broken_convnets.errors import UsageError


def folder(name: str) -> Path:
    """Return a folder of the user's cache, which is created if it does not exist.

    Raises OSError if it cannot be created, and UsageError if the user has no home folder.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        message = "there is no home folder for the cache: set HOME or XDG_CACHE_HOME"
        raise UsageError(message) from None
    found = base / "broken-convnets" / name
    found.mkdir(parents=True, exist_ok=True)
    return found
