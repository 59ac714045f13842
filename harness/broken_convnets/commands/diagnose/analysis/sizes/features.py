"""Why a Linear layer receives another number of features: one explanation for each mistake."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    operands,
    operator_call,
    wrap_failing,
)
from broken_convnets.commands.diagnose.analysis.sizes.flattening import (
    flattened,
    flattened_whole_batch,
    missing_flatten,
    unbatched,
)
from broken_convnets.commands.diagnose.analysis.sizes.images import is_from_outside
from broken_convnets.commands.diagnose.analysis.sizes.layers import CHANNELS_SECOND, type_name
from broken_convnets.commands.diagnose.analysis.sizes.lineage import (
    JOINS,
    chain,
    origin,
)
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import (
    consumer_changes,
    mismatch_candidates,
    ranked,
)
from broken_convnets.commands.diagnose.analysis.sizes.wording import location_of_place, shape
from broken_convnets.commands.diagnose.edits import set_argument

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Mismatch
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.source import Source

FLATTENS = {"flatten", "view", "reshape"}
REDUCTIONS = {"mean", "sum", "amax", "max"}
IMAGE = 4  # dimensions of a batch of images
MATRIX = 2


def explanations(found: Mismatch) -> Iterator[Explanation]:
    """Yield the explanations that fit, the most specific first; the last one always fits."""
    for explain in (
        unbatched,
        flattened_whole_batch,
        joined_along_batch,
        _reduced_other_dimension,
        missing_flatten,
        _channels_before_last,
        flattened,
    ):
        explanation = explain(found)
        if explanation is not None:
            yield explanation
    yield Explanation("shape/linear_in_features", mismatch_candidates(found))


def joined_along_batch(found: Mismatch) -> Explanation | None:
    """Explain a torch.cat along the batch instead of the features."""
    for operator in chain(found.evidence.record, found.value):
        parts = [value for value in operator.inputs if not value.parameter]
        if operator.name not in JOINS or len(parts) < MATRIX:
            continue
        same = all(len(p.shape) == len(parts[0].shape) > 1 for p in parts)
        batches = sum(p.shape[0] for p in parts if p.shape)
        if not same or sum(p.shape[1] for p in parts) != found.declared:
            return None
        if operator.outputs and operator.outputs[0].shape[0] != batches:
            return None
        call = operator_call(found.evidence, operator)
        change = [partial(set_argument, *call, "dim", 1, "1")] if call else []
        return Explanation(
            "shape/linear_in_features",
            ranked((0, "", change)),
            f"{', '.join(shape(p) for p in parts)} were joined along the batch dimension into "
            f"{shape(operator.outputs[0])}; along dimension 1 they have {found.declared} features",
            cases=("shape/concat_along_batch",),
            cause=location_of_place(operator.place),
        )
    return None


def _reduced_other_dimension(found: Mismatch) -> Explanation | None:
    """Explain a mean over the wrong dimensions."""
    for operator in chain(found.evidence.record, found.value):
        before = next((v for v in operator.inputs if not v.parameter), None)
        if operator.name not in REDUCTIONS or before is None:
            if before is None or len(before.shape) != len(found.value.shape):
                return None
            continue
        rank = len(before.shape)
        matching = [d for d in range(1, rank) if before.shape[d] == found.declared]
        call = operator_call(found.evidence, operator)
        if len(matching) != 1 or call is None:
            return None
        rest = tuple(d for d in range(1, rank) if d != matching[0])
        text = str(rest[0] if len(rest) == 1 else rest)
        return Explanation(
            "shape/linear_in_features",
            ranked((0, "", [partial(_set_dimension, call, text)])),
            f"{operator.name} reduces {shape(before)} to {shape(operator.outputs[0])}; "
            f"the {found.declared} features are dimension {matching[0]}",
            cause=location_of_place(operator.place),
        )
    return None


def _set_dimension(call: tuple[Source, ast.Call], text: str) -> Patch:
    source, node = call
    place = 0 if operands(source, node)[:1] != node.args[:1] else 1
    return set_argument(source, node, "dim", place, text)


def _channels_before_last(found: Mismatch) -> Explanation | None:
    """Explain a sequence with its features in dimension 1."""
    value = found.value
    if len(value.shape) != 3 or value.shape[1] != found.declared:  # noqa: PLR2004  (a sequence)
        return None
    made = origin(found.evidence.record, value, found.declared)
    from_layer = made.layer is not None and type_name(made.layer) in CHANNELS_SECOND
    if not from_layer and not is_from_outside(found.evidence, made):
        return None
    changes = wrap_failing(found.evidence, found.failed, value, "{}.transpose(1, 2)")
    return Explanation(
        "shape/linear_in_features",
        ranked((0, "", changes), (0, "", consumer_changes(found))),
        f"{shape(value)} has its {found.declared} features in dimension 1, not in the last one",
        cause=location_of_place(found.failed.places[0]),
    )
