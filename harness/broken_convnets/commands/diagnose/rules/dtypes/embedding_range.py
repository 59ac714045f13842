"""The indices of an embedding are smaller than the number of its rows."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.sizes.arguments import spots
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.arguments import Spot
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

NAMES = (ast.Name, ast.Attribute)


@rule(
    "the indices of an embedding are smaller than the number of its rows",
    stays_quiet="about negative indices, and indices that cannot be read",
)
def index_beyond_embedding(evidence: Evidence) -> Iterator[Finding]:
    """Find an embedding with too few rows, as for a vocabulary without its padding."""
    frame = require_failure(evidence, IndexError, RuntimeError)
    failed = failed_call(evidence)
    layer = failed.layer if failed else None
    if failed is None or not isinstance(layer, nn.Embedding):
        return
    highest = _counted(evidence, failed) if _highest(frame) is None else _highest(frame)
    if highest is None:
        return
    rows = layer.num_embeddings
    if highest < rows:
        return
    found = spots(evidence, failed.construction, layer, "num_embeddings")
    chosen = next((one for one in found if not isinstance(one.node, NAMES)), None)
    yield Finding(
        kind="device/device_side_assert",
        message=f"an embedding of {rows} rows receives the index {highest}",
        evidence=f"its rows have the numbers 0 to {rows - 1}: the index {highest} needs "
        f"{highest + 1} rows, those of padding and unknown words included",
        cause=location_in(chosen.source, chosen.node) if chosen else frame_location(frame),
        symptom=frame_location(frame),
        subject="num_embeddings",
        candidates=candidates(*((0, partial(_larger, one, highest + 1, rows)) for one in found)),
        confidence=8,
    )


def _highest(frame: UserFrame) -> int | None:
    """Return the largest index that the failing call passes; None if there is no such tensor."""
    for node in frame.call.args if frame.call else []:
        value = frame.value(node)
        if isinstance(value, torch.Tensor) and value.numel() and not value.is_floating_point():
            return None if value.device.type == "meta" or int(value.min()) < 0 else int(value.max())
    return None


def _counted(evidence: Evidence, failed: FailedCall) -> int | None:
    """Return the largest index of `arange(n)`, which no name of the frame holds."""
    made = evidence.record.producer(failed.received[0]) if failed.received else None
    counts = [n for key, n in made.literals.items() if isinstance(key, int)] if made else []
    plain = made is not None and made.name == "arange" and len(counts) == 1
    return counts[0] - 1 if plain and isinstance(counts[0], int) else None


def _larger(spot: Spot, wanted: int, rows: int) -> edits.Patch:
    """Return the change of the number of rows at an expression that determines it."""
    text = spot.source.text_of(spot.node)
    if isinstance(spot.node, ast.Constant):
        return edits.replace(spot.source, [(spot.node, str(wanted))])
    if not isinstance(spot.node, ast.Call):
        message = "the expression may determine something else, too"
        raise edits.EditError(message)
    return edits.replace(spot.source, [(spot.node, f"{text} + {wanted - rows}")])
