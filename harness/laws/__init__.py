"""The laws: each is one function, which returns where its law holds and raises where not."""

from . import data, forward, structure, training
from .registry import CHECKS, judge

__all__ = ["CHECKS", "data", "forward", "judge", "structure", "training"]
