"""What is read before an operator runs: arguments of losses and metrics, images and variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.observe.recorder.boxes import BoxCalls
from broken_convnets.observe.recorder.comparisons import Comparisons
from broken_convnets.observe.recorder.embedded_ids import EmbeddedIds
from broken_convnets.observe.recorder.episode_ends import EpisodeEndsLook
from broken_convnets.observe.recorder.image_conversions import LAST_OF_CONVERSION, ImageConversions
from broken_convnets.observe.recorder.losses import Losses
from broken_convnets.observe.recorder.metric_calls import MetricCalls
from broken_convnets.observe.recorder.padding_masks import PaddingMasks
from broken_convnets.observe.recorder.repeated_entries import RepeatedEntriesLook

if TYPE_CHECKING:
    from types import FrameType

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.running_operator import Begun
    from broken_convnets.observe.recorder.values import Values


class ArgumentLooks:
    """Reads what the options of a record ask for, and what would be gone after the operator."""

    def __init__(self, record: Record, values: Values) -> None:
        """Start with nothing read."""
        ids = EmbeddedIds()
        self._losses = Losses(record, ids) if record.options.losses else None
        self._masks = PaddingMasks(record, ids) if record.options.losses else None
        self._metrics = MetricCalls(record) if record.options.metrics else None
        self._comparisons = Comparisons(record) if record.options.datasets else None
        self._boxes = BoxCalls(record, values) if record.options.losses else None
        self._images = ImageConversions(record) if record.options.datasets else None
        self._entries = RepeatedEntriesLook(record) if record.options.datasets else None
        self._ends = EpisodeEndsLook(record) if record.options.datasets else None

    def look(self, begun: Begun, args: Any, kwargs: Any, caller: FrameType) -> None:
        """Look at an operator before it runs."""
        if self._losses is not None:
            self._losses.look(begun.operator, begun.taken, args, kwargs)
        if self._masks is not None:
            self._masks.look(begun.operator, args, kwargs)
        if self._comparisons is not None:
            self._comparisons.look(begun.operator, begun.taken)
        if self._metrics is not None:
            self._metrics.look(caller)
        if self._boxes is not None:
            self._boxes.look(caller)
        operator = begun.operator
        if self._images is not None and operator.name == LAST_OF_CONVERSION:
            self._images.look(operator, caller)
        if self._entries is not None and operator.number >= self._entries.due:
            self._entries.look(operator, caller)
        if self._ends is not None and operator.number >= self._ends.due:
            self._ends.look(operator, caller)
