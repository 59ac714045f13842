"""A coin: flag half of the programs, at a random line. What a tool scores that knows nothing.

The draw depends on the text of the program, so that a record of it is reproducible.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Status,
)
from broken_convnets.commands.score.protocol.tool import Tool

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request


class Coin(Tool):
    """Answers at random."""

    batch = 1000

    def version(self) -> str:
        """Return the version of these rules."""
        return "1"

    def diagnose(self, request: Request) -> Diagnosis:
        """Flag the program with a chance of one half."""
        draw = random.Random(request.source)  # noqa: S311  (repeatable, not secret)
        if draw.random() < 0.5:  # noqa: PLR2004  (one half)
            return Diagnosis(Status.CLEAN)
        line = draw.randint(1, len(request.source.splitlines()))
        location = Location(line, LocationRole.CAUSE)
        return Diagnosis(Status.FLAGGED, [Finding("heads", location=location)])


tool = Coin
