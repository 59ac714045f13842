"""The limits of programs that decide which programs a seed has."""

from __future__ import annotations

from broken_convnets.sandbox.job import Limits

SECONDS = 120.0  # of processor time: a program needs a few
WALL_FACTOR = 60.0  # two hours of waiting for a processor


def patient_limits(workers: int, hidden: list[str]) -> Limits:
    """Return limits that no program reaches on a busy or slow machine.

    A program that times out is rejected, and another one takes its place: so that a seed has the
    same programs everywhere, only a program that never ends may time out.
    """
    return Limits(seconds=SECONDS, wall_factor=WALL_FACTOR, workers=workers, hidden=hidden)
