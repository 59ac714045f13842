"""What came of asking a tool about one program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.score.programs import Program
    from broken_convnets.commands.score.protocol import Diagnosis


@dataclass(frozen=True)
class Result:
    """A tool's diagnosis of one program.

    `repaired` says whether its first fix, applied, obeys the laws; None where it offered none.
    """

    program: Program
    diagnosis: Diagnosis
    seconds: float
    repaired: bool | None = None
