"""What was found about training that continues from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.bounded import Bounded
    from broken_convnets.observe.recorder.loaded_rates import RateReset
    from broken_convnets.observe.recorder.resumes import Resume


@dataclass(frozen=True, slots=True)
class ResumeFacts:
    """The loads of checkpoints, and the schedulers that change loaded learning rates."""

    loads: Bounded[Resume]
    rate_resets: Bounded[RateReset]
