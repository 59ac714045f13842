"""The laws: each is one function, which returns if its law holds and raises if not."""

from broken_convnets.observe.laws import data, forward, structure, training
from broken_convnets.observe.laws.registry import CHECKS, judge

__all__ = ["CHECKS", "data", "forward", "judge", "structure", "training"]
