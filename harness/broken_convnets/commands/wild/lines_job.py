"""What the job `executed.executed_lines` receives and returns; does not import torch."""

from __future__ import annotations

from msgspec import Struct

EXECUTED_LINES = "broken_convnets.commands.wild.executed:executed_lines"


class LinesRequest(Struct, frozen=True):
    """A program to run once."""

    source: str
    seed: int = 0


class ExecutedLines(Struct, frozen=True):
    """The numbers of the lines that ran, from 1, in order."""

    lines: list[int]
