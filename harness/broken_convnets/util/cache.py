"""Where results that can be computed again are stored between runs."""

from __future__ import annotations

import os
from pathlib import Path


def folder(name: str) -> Path:
    """Return a folder of the user's cache, which is created if it does not exist.

    Raises OSError if it cannot be created, and RuntimeError if the user has no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(base) / "broken-convnets" / name
    found.mkdir(parents=True, exist_ok=True)
    return found
