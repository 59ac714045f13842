"""A parameter whose gradient is followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import weakref

    import torch

    from broken_convnets.observe.recorder.recorded_events import Parameter

HOLDS = 16  # backward passes that are kept of one gradient


@dataclass(eq=False)
class FollowedParameter:
    """A parameter that is followed, and the backward passes that its gradient holds."""

    parameter: weakref.ref[torch.Tensor]
    facts: Parameter
    holds: list[int] = field(default_factory=list)
    version: int = 0  # of the parameter when the step that is running began

    def hold(self, backward_pass: int) -> None:
        """Add a backward pass; of very many, the first and the last ones are kept."""
        self.holds.append(backward_pass)
        if len(self.holds) > HOLDS:
            del self.holds[HOLDS // 2]
