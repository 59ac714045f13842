"""The module calls that are running in each thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.passes import ForwardPass, ModuleCall


class RunningCalls(threading.local):
    """The calls that are running in one thread, the innermost last."""

    def __init__(self) -> None:
        """Start with no call running."""
        self.running: list[ModuleCall] = []
        self.current: ForwardPass | None = None  # or the one that ran last
        self.network: ForwardPass | None = None  # the last one of a network with state
