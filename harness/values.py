"""What a word of the command line may stand for: each turns one into a value, or refuses it."""

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
    """Return what reads a number for which `holds`; others are no `noun`."""

    def value(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not holds(number):
            message = f"{text!r} is no {noun}"
            raise argparse.ArgumentTypeError(message)
        return number

    return value


count = _numbers(int, lambda number: number >= 0, "whole number from 0 on")
positive = _numbers(int, lambda number: number > 0, "whole number from 1 on")
share = _numbers(float, lambda number: 0 < number < 1, "share between 0 and 1")
seconds = _numbers(float, lambda number: 0 < number < float("inf"), "time in seconds")


def needs(text: str) -> list[str]:
    """Return the names of what a tool works from."""
    from .tools.protocol import Need  # noqa: PLC0415  (only where it is asked for)

    names = text.split(",")
    for name in names:
        if name not in set(Need):
            message = f"{name!r} is none of {', '.join(Need)}"
            raise argparse.ArgumentTypeError(message)
    return names


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
