"""Windows of a long record end where the record does: a shorter last one cannot be collated."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.rules.loaders.batches import (
    FailedBatch,
    item_method,
    shape_of,
)
from broken_convnets.commands.diagnose.rules.loaders.dataset_length import returned_length
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.returns import Callee
    from broken_convnets.commands.diagnose.evidence import Evidence

LOOKS = 2_000  # samples at the end
CHECKS = 32  # samples before them


def windows_past_the_end(evidence: Evidence, batch: FailedBatch, place: str) -> Finding | None:
    """Return the finding about a `__len__` that counts windows which are cut off at the end.

    `place` is that of the values in a sample. None if no slice is cut off, or others are too.
    """
    method = item_method(evidence, batch)
    dataset: Any = batch.dataset
    returned = returned_length(method.source, method.function) if method else None
    short = _short_windows(dataset, place) if method and _slices(method) else 0
    if method is None or returned is None or not short:
        return None
    name, text = type(dataset).__name__, method.source.text_of(returned)
    changes = [
        (rank, partial(edits.replace, method.source, [(returned, f"{text} - {less}")]))
        for rank, less in enumerate(_numbers(dataset, short))
    ]
    return Finding(
        kind="data/stack_unequal",
        message=f"the last {short} of {len(dataset)} samples of {name} are shorter, "
        "so they cannot be in one batch with others",
        evidence=f"`{text}` counts windows whose slices end beyond the data",
        cause=location_in(method.source, returned),
        symptom=frame_location(evidence.frames[0]),
        subject=f"{name}{place}",
        candidates=candidates(*changes),
        confidence=10,
    )


def _slices(method: Callee) -> bool:
    """Return whether `__getitem__` takes slices with an end."""
    nodes = (n for n in ast.walk(method.function) if isinstance(n, ast.Slice))
    return any(node.upper is not None for node in nodes)


def _short_windows(dataset: Any, place: str) -> int:
    """Return how many samples at the end, and none before, have another shape than the first."""
    try:
        whole, length = _shape_at(dataset, 0, place), len(dataset)
        for short in range(min(length, LOOKS)):
            if _shape_at(dataset, length - 1 - short, place) == whole:
                rest = range(1, length - 1 - short, 1 + length // CHECKS)
                alike = all(_shape_at(dataset, index, place) == whole for index in rest)
                return short if alike else 0
    except Exception:  # noqa: BLE001  (the program's own code runs)
        return 0
    return 0


def _shape_at(dataset: Any, index: int, place: str) -> tuple[int, ...] | None:
    leaves = FailedBatch([dataset[index]], dataset).columns()
    return shape_of(leaves[place][0])


def _numbers(dataset: object, short: int) -> Iterator[str]:
    """Yield texts for the number of windows that are too short, by an attribute if one fits."""
    for name, value in vars(dataset).items():
        if type(value) is int and value in {short, short + 1}:
            yield f"self.{name}" if value == short else f"self.{name} + 1"
    yield str(short)
