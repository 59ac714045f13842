"""What the server of trials loads before it forks."""

from __future__ import annotations

import broken_convnets.commands.diagnose.trial  # noqa: F401  (its forks share what it imports)
from broken_convnets.observe import preload


def configure() -> None:
    """Keep to one thread, as forks need."""
    preload.configure()
