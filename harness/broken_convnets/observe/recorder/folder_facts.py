"""What was found about the folders that a program reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.listings import Listing
    from broken_convnets.observe.recorder.removed_folders import RemovedFolder


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """The folders that the user's own code lists, and those that the program removes."""

    listings: list[Listing] = field(default_factory=list)
    removed: list[RemovedFolder] = field(default_factory=list)
