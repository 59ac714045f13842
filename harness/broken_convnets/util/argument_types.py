"""Types for argparse: each turns one argument into a value, or rejects it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Number = TypeVar("Number", int, float)


def _numbers(
    kind: Callable[[str], Number], holds: Callable[[Number], bool], noun: str
) -> Callable[[str], Number]:
    """Return what reads a number for which `holds`; others are not `noun`."""

    def value(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not holds(number):
            message = f"{text!r} is not {noun}"
            raise argparse.ArgumentTypeError(message)
        return number

    return value


count = _numbers(int, lambda number: number >= 0, "a non-negative integer")
positive = _numbers(int, lambda number: number > 0, "a positive integer")
fraction = _numbers(float, lambda number: 0 < number < 1, "a fraction between 0 and 1")
seconds = _numbers(float, lambda number: 0 < number < float("inf"), "a number of seconds")


def cpu_count() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
