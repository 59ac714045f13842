"""Where work that could be done again is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def folder(name: str) -> Path:
    """Return a folder of the user's cache, made where it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(base) / "broken-convnets" / name
    found.mkdir(parents=True, exist_ok=True)
    return found
