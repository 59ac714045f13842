"""Record how many weights of half precision an optimizer step leaves as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.recorder.values import gradient_of

if TYPE_CHECKING:
    from collections.abc import Iterable

HALVES = frozenset({torch.bfloat16, torch.float16})
ELEMENTS = 65_536  # of the weights of a step that are compared

Weights = list[tuple[torch.Tensor, torch.Tensor]]  # each with what it was before


def weights_before(parameters: Iterable[torch.Tensor]) -> Weights:
    """Return the first weights of half precision that a step is about to change, with copies."""
    found: Weights = []
    left = ELEMENTS
    for one in parameters:
        if one.dtype in HALVES and one.numel() <= left and gradient_of(one) is not None:
            found.append((one, one.detach().clone()))
            left -= one.numel()
    return found


def unchanged(weights: Weights) -> tuple[int, int]:
    """Return how many weights with a gradient other than 0 a step did not change, and of how many.

    The gradients are those after the step.
    """
    same = count = 0
    for one, before in weights:
        gradient = gradient_of(one)
        if gradient is not None and gradient.layout is torch.strided:
            steep = gradient != 0
            same += int((steep & (one.detach() == before)).sum())
            count += int(steep.sum())
    return same, count
