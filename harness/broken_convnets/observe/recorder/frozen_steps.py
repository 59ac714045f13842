"""Record which parameters without requires_grad an optimizer step changes, with no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.recorder.values import gradient_of, is_zero

if TYPE_CHECKING:
    from collections.abc import Iterable

ELEMENTS = 262_144  # of the frozen parameters of a step that are compared

Frozen = list[tuple[torch.Tensor, torch.Tensor]]  # each with what it was before


def frozen_before(parameters: Iterable[torch.Tensor]) -> Frozen:
    """Return the first frozen parameters that have a gradient of zeros, with copies."""
    found: Frozen = []
    left = ELEMENTS
    for one in parameters:
        if one.requires_grad or one.numel() > left:
            continue
        gradient = gradient_of(one)
        if gradient is not None and gradient.layout is torch.strided and is_zero(gradient):
            found.append((one, one.detach().clone()))
            left -= one.numel()
    return found


def largest_change(one: torch.Tensor, before: torch.Tensor) -> float:
    """Return by how much the element of a parameter that changed most differs from a copy."""
    same = one.shape == before.shape and one.device == before.device and one.numel()
    return float((one.detach() - before).abs().max()) if same else 0.0
