"""The laws: each is one function, which returns if its law holds and raises if not."""

from broken_convnets.observe.laws import (
    checkpoints,
    data,
    forward,
    gradients,
    masks,
    modes,
    scaling,
    structure,
    training,
)
from broken_convnets.observe.laws.registry import CHECKS, judge

__all__ = [
    "CHECKS",
    "checkpoints",
    "data",
    "forward",
    "gradients",
    "judge",
    "masks",
    "modes",
    "scaling",
    "structure",
    "training",
]
