"""What rules about failures share: the place of the failure, and when they do not judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.registry import OtherRun

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence


def require_failure(evidence: Evidence, *types: type[BaseException]) -> UserFrame:
    """Return the innermost user frame of the failure; raises OtherRun.

    Leaves successful runs, and exceptions of other types, to other rules.
    """
    if evidence.error is None:
        reason = "the program did not fail"
        raise OtherRun(reason)
    if not evidence.frames or (types and not isinstance(evidence.error, types)):
        reason = f"{type(evidence.error).__name__} is left to other rules"
        raise OtherRun(reason)
    return evidence.frames[0]


def frame_location(frame: UserFrame) -> Location:
    """Return the line that a frame was at."""
    return Location(frame.source.path, frame.place.line)


def origin_location(origin: Origin) -> Location:
    """Return the line of the expression that computed a value."""
    return Location(origin.source.path, origin.node.lineno)


def shortened(text: str, length: int = 60) -> str:
    """Return a source text on one line, cut off after `length` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"
