"""Argument types for argparse: each converts one argument, or rejects it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Number = TypeVar("Number", int, float)


def _numbers(
    kind: Callable[[str], Number], accepts: Callable[[Number], bool], description: str
) -> Callable[[str], Number]:
    """Return a converter that rejects every text but numbers that `accepts` accepts."""

    def value(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not accepts(number):
            message = f"{text!r} is not {description}"
            raise argparse.ArgumentTypeError(message)
        return number

    return value


count = _numbers(int, lambda number: number >= 0, "a non-negative integer")
positive = _numbers(int, lambda number: number > 0, "a positive integer")
fraction = _numbers(float, lambda number: 0 < number < 1, "a fraction between 0 and 1")
seconds = _numbers(float, lambda number: 0 < number < float("inf"), "a positive number of seconds")


def cpu_count() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
