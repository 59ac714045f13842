"""Explain a Linear layer that images reach unflattened, or flattened to another size."""

from __future__ import annotations

import ast
import math
from dataclasses import replace as with_fields
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.changes import merged, product_of
from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    operands,
    operator_call,
    wrap_failing,
    wrap_network,
)
from broken_convnets.commands.diagnose.analysis.sizes.lineage import (
    chain,
    has_channels_second,
)
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import (
    LATER,
    consumer_changes,
    ranked,
)
from broken_convnets.commands.diagnose.analysis.sizes.spatial import fitting_input, square_side
from broken_convnets.commands.diagnose.analysis.sizes.wording import location_of_place, shape, sizes
from broken_convnets.commands.diagnose.edits import replace

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Mismatch
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

FLATTENS = {"flatten", "view", "reshape"}
REDUCTIONS = {"mean", "sum", "amax", "max"}
IMAGE = 4  # dimensions of a batch of images
MATRIX = 2


def _flatten_operator(found: Mismatch) -> tuple[Operator, Value] | None:
    """Return the operator that flattened the input, and the value before."""
    for operator in chain(found.evidence.record, found.value):
        before = next((v for v in operator.inputs if not v.parameter), None)
        if before is None:
            return None
        if operator.name in FLATTENS and len(before.shape) > len(operator.outputs[0].shape):
            return operator, before
        if before.shape != found.value.shape:
            return None
    return None


def unbatched(found: Mismatch) -> Explanation | None:
    """Explain one sample without a batch dimension: its channels became the batch."""
    flat = _flatten_operator(found)
    latest = found.evidence.record.last_pass
    if flat is None or latest is None or not latest.received:
        return None
    before, given = flat[1], latest.received[0]
    if math.prod(before.shape) != found.declared or len(before.shape) != len(given.shape):
        return None
    if len(given.shape) >= IMAGE:
        return None
    return Explanation(
        "shape/missing_batch_or_flat_input",
        ranked(
            (0, "a batch of one", wrap_network(found.evidence, found.failed, "{}.unsqueeze(0)"))
        ),
        f"the network was called with one sample {shape(given)}, without a batch dimension: "
        f"{shape(before)} was flattened into {shape(found.value)} instead of [1, {found.declared}]",
        cases=("batch/unbatched_image",),
        cause=location_of_place(latest.places[0]) if latest.places else None,
    )


def flattened_whole_batch(found: Mismatch) -> Explanation | None:
    """Explain a flatten that starts at the batch dimension."""
    flat = _flatten_operator(found)
    if flat is None or len(found.value.shape) != 1:
        return None
    operator, before = flat
    if math.prod(before.shape[1:]) != found.declared:
        return None
    return Explanation(
        "shape/missing_flatten",
        ranked((0, "", _flatten_from_one(found, operator))),
        f"{shape(before)} was flattened together with its batch dimension",
        cases=("shape/missing_flatten",),
        cause=location_of_place(operator.place),
    )


def _flatten_from_one(found: Mismatch, operator: Operator) -> list[Change]:
    call = operator_call(found.evidence, operator)
    if call is None:
        return []
    source, node = call
    parts = operands(source, node)
    return [partial(replace, source, [(node, f"torch.flatten({source.text_of(parts[0])}, 1)")])]


def missing_flatten(found: Mismatch) -> Explanation | None:
    """Explain images that were never flattened, or never averaged over height and width."""
    value, evidence = found.value, found.evidence
    rank = len(value.shape)
    if rank <= MATRIX:
        return None
    flat = math.prod(value.shape[1:])
    if flat != found.declared and not (
        rank >= IMAGE and has_channels_second(evidence.record, value)
    ):
        return None
    text = (
        f"{shape(value)} arrives without being flattened: the Linear layer sees its last dimension"
    )
    if flat == found.declared:
        changes = _flatten_before(found)
        groups = [(0, "", changes)]
    elif value.shape[1] == found.declared:
        spatial = tuple(range(2, rank))
        pooled = wrap_failing(evidence, found.failed, value, f"{{}}.mean(dim={spatial})")
        pooled += _element_before(found, "nn.AdaptiveAvgPool2d(1), nn.Flatten()")
        groups = [
            (0, "global average pooling", pooled),
            (LATER, "", _flatten_and_fit(found)),
        ]
    else:
        groups = [(0, "", _flatten_and_fit(found))]
    return Explanation(
        "shape/missing_flatten",
        ranked(*groups),
        f"{text}; one sample has {sizes(value.shape[1:])} = {flat} numbers",
        cases=("shape/missing_flatten",),
        cause=location_of_place(found.failed.places[0]),
    )


def _flatten_before(found: Mismatch) -> list[Change]:
    inside = _element_before(found, "nn.Flatten()") if _runs_in_sequence(found) else []
    return inside or wrap_failing(found.evidence, found.failed, found.value, "torch.flatten({}, 1)")


def _runs_in_sequence(found: Mismatch) -> bool:
    """Return whether the layer before ran in the same call of the user's, as in a Sequential."""
    before = found.evidence.record.producer(found.value)
    return before is not None and before.place == found.failed.places[0] and bool(before.layer)


def _element_before(found: Mismatch, text: str) -> list[Change]:
    """Return the change that puts another layer before this one in a Sequential."""
    site = constructor(found.evidence, found.construction)
    if site is None:
        return []
    around = site.source.parent(site.call)
    if not isinstance(around, ast.List | ast.Call) or site.call is getattr(around, "func", None):
        return []
    own = site.source.text_of(site.call)
    return [partial(replace, site.source, [(site.call, f"{text}, {own}")])]


def _flatten_and_fit(found: Mismatch) -> list[Change]:
    """Return the changes that flatten the input and construct the layer for it."""
    flat = math.prod(found.value.shape[1:])
    fitted = with_fields(found, arriving=flat, factors=product_of(found.value.shape))
    both: list[Change] = []
    for one in _flatten_before(found):
        both += [
            partial(merged, found.evidence, one, other) for other in consumer_changes(fitted)[:1]
        ]
    return both


def flattened(found: Mismatch) -> Explanation | None:
    """Explain a flattened image of another size than in_features was computed for."""
    flat = _flatten_operator(found)
    if flat is None:
        return None
    _, before = flat
    if math.prod(before.shape[1:]) != found.arriving:
        return None
    fitted = with_fields(found, factors=product_of(before.shape))
    text = f"{found.arriving} = {sizes(before.shape[1:])}, the flattened {shape(before)}"
    return Explanation(
        "shape/linear_in_features",
        ranked((0, "", consumer_changes(fitted))),
        text + _fits(found, before),
        short=f" = {sizes(before.shape[1:])}" if math.prod(before.shape[2:]) > 1 else "",
        cases=("shape/linear_in_features_image_size",),
    )


def _fits(found: Mismatch, before: Value) -> str:
    """Return for which images the declared number would fit."""
    channels = before.shape[1]
    side = square_side(found.declared // channels) if found.declared % channels == 0 else None
    if len(before.shape) != IMAGE or side is None:
        return ""
    text = f"; {found.declared} = {sizes((channels, side, side))}"
    fitting = fitting_input(found.evidence.record, before, side)
    latest = found.evidence.record.last_pass
    if fitting is None or latest is None or not latest.received:
        return text
    low, high = fitting
    given = latest.received[0].shape
    span = f"{low} x {low}" if low == high else f"{low} x {low} to {high} x {high}"
    return f"{text} fits images of {span}, these are {sizes(given[2:])}"
