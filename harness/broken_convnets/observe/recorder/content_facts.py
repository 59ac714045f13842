"""What was found by comparing the numbers of weights, token ids, masks, targets and labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broken_convnets.observe.recorder.bounded import Bounded

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.box_scores import BoxScores
    from broken_convnets.observe.recorder.class_balance import ClassBalance
    from broken_convnets.observe.recorder.comparisons import Comparison
    from broken_convnets.observe.recorder.episode_ends import EpisodeEnds
    from broken_convnets.observe.recorder.ignored_labels import IgnoredLabels
    from broken_convnets.observe.recorder.image_conversions import ImageConversion
    from broken_convnets.observe.recorder.padded_targets import PaddedTargets
    from broken_convnets.observe.recorder.padding_masks import PaddingMask
    from broken_convnets.observe.recorder.pair_calls import PairCall
    from broken_convnets.observe.recorder.repeated_entries import RepeatedEntries
    from broken_convnets.observe.recorder.sampling_grids import SamplingGrid
    from broken_convnets.observe.recorder.shifted_targets import ShiftedTarget
    from broken_convnets.observe.recorder.suppressions import Suppression


PAIRS = 50  # user functions of two tensors whose arguments are kept


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """Of each place, facts of the first calls of a loss, an attention or a comparison."""

    class_balances: list[ClassBalance] = field(default_factory=list)
    padded_targets: list[PaddedTargets] = field(default_factory=list)
    padding_masks: list[PaddingMask] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    ignored_keys: dict[int, int] = field(default_factory=dict)  # of an attention, by operator
    ignored_numbers: set[int] = field(default_factory=set)  # ignore_index of losses
    ignored_labels: list[IgnoredLabels] = field(default_factory=list)
    sampling_grids: list[SamplingGrid] = field(default_factory=list)
    suppressions: list[Suppression] = field(default_factory=list)
    box_scores: list[BoxScores] = field(default_factory=list)
    repeated_entries: dict[tuple[str, str], RepeatedEntries] = field(default_factory=dict)
    shifted_targets: list[ShiftedTarget] = field(default_factory=list)
    episode_ends: dict[tuple[str, str], EpisodeEnds] = field(default_factory=dict)
    image_conversions: list[ImageConversion] = field(default_factory=list)
    pair_calls: Bounded[PairCall] = field(default_factory=lambda: Bounded(PAIRS))
    worlds: dict[str, dict[str, Any]] = field(default_factory=dict)  # global names, by file
