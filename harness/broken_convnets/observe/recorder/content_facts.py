"""What was found by comparing the numbers of weights, token ids, masks, targets and labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.class_balance import ClassBalance
    from broken_convnets.observe.recorder.comparisons import Comparison
    from broken_convnets.observe.recorder.padded_targets import PaddedTargets
    from broken_convnets.observe.recorder.padding_masks import PaddingMask


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """Of each place, facts of the first calls of a loss, an attention or a comparison."""

    class_balances: list[ClassBalance] = field(default_factory=list)
    padded_targets: list[PaddedTargets] = field(default_factory=list)
    padding_masks: list[PaddingMask] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    ignored_keys: dict[int, int] = field(default_factory=dict)  # of an attention, by operator
