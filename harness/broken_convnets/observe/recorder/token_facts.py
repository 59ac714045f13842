"""What was found by comparing token ids with the masks and the targets of a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.padded_targets import PaddedTargets
    from broken_convnets.observe.recorder.padding_masks import PaddingMask


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """Of each place, the first calls of a loss and of attention that have padding."""

    padded_targets: list[PaddedTargets] = field(default_factory=list)
    padding_masks: list[PaddingMask] = field(default_factory=list)
