"""One explanation of wrong sizes, as far as a finding needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.findings import Candidate, Location


@dataclass(frozen=True)
class Explanation:
    """One mistake that fits the numbers. `short` ends the message, `text` is the evidence."""

    kind: str
    candidates: tuple[Candidate, ...]
    text: str = ""
    short: str = ""
    cases: tuple[str, ...] = ()
    cause: Location | None = None
