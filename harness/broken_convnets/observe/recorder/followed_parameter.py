"""A parameter whose gradient is followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import weakref

    import torch

    from broken_convnets.observe.recorder.recorded_events import Parameter
    from broken_convnets.observe.recorder.values import Value

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

    def meet(self, name: str, value: Value, *, requires_grad: bool, now: int) -> None:
        """Note how a forward pass finds the parameter, when `now` operators have run."""
        facts = self.facts
        if facts.requires_grad:  # at the last pass
            facts.frozen_since = now
        facts.unfrozen |= requires_grad and not facts.requires_grad
        facts.ever_required_grad |= requires_grad
        facts.name, facts.requires_grad = name, requires_grad
        if value not in facts.values and len(facts.values) < HOLDS:
            facts.values.append(value)
