"""What the server of trials loads before it forks."""

from __future__ import annotations

import torch._dynamo  # noqa: F401  (the first optimizer step would load it in every child)

import broken_convnets.commands.diagnose.trial  # noqa: F401  (its forks share what it imports)
from broken_convnets.observe import preload


def configure() -> None:
    """Keep to one thread, as forks need."""
    preload.configure()
