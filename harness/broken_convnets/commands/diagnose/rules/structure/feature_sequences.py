"""Feature maps become sequences by permute and flatten, not by view and reshape."""

from __future__ import annotations

import math
from functools import partial
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.sizes.layers import output_size
from broken_convnets.commands.diagnose.analysis.sizes.lineage import MOVES, chain
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator

    Shape = tuple[int, ...]

RESHAPES = frozenset({"view", "reshape"})
SEQUENCE = 3  # dimensions: samples, steps, features
MAPS = 4  # dimensions of feature maps, at least: samples, channels, height, width
CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
READERS = frozenset(
    {"lstm", "gru", "rnn_tanh", "rnn_relu"}
    | {"multi_head_attention_forward", "scaled_dot_product_attention"}
)
POINTWISE = frozenset({"layer_norm", "linear"})  # for which the channels are the last dimension
# Operators that keep the steps of a sequence in their places.
PASSING = frozenset(
    {"add", "__add__", "__iadd__", "__radd__", "mul", "__mul__", "dropout", "layer_norm", "linear"}
    | {"relu", "gelu", "tanh", "contiguous", "to", "float", "cat", "clone", "silu", "elu"}
    | {"relu_", "add_", "transpose", "permute"}
)
HOPS = 8


@rule(
    "feature maps become sequences by permute, not by view or reshape",
    stays_quiet="unless convolutions computed the maps, their height, width or positions are the "
    "steps of the new shape, and a recurrent or an attention layer reads it, or a layer along its "
    "channels; about shapes that a reshape without a permutation could mean",
)
def feature_maps_as_sequence(evidence: Evidence) -> Iterator[Finding]:
    """Find `x.view(n, w, c * h)` of feature maps of shape [n, c, h, w] before an LSTM."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in RESHAPES or not operator.places or not operator.outputs:
            continue
        before, after = operator.inputs[0].shape, operator.outputs[0].shape
        steps, last = _steps(before, after), _last_steps(before, after)
        if not (steps or last) or operator.places[0] in seen:
            continue
        seen.add(operator.places[0])
        whole = len(steps) == len(before) - 2 and after[2] == before[1]
        readers = READERS | POINTWISE if whole else READERS
        reader = _reader(evidence, operator, readers if steps else readers | {"conv1d"})
        if reader is None or not _are_feature_maps(evidence, operator):
            continue
        yield Finding(
            kind="data/reshape_instead_of_permute",
            message=f"{operator.name} does not exchange dimensions: each step of the sequence gets "
            "numbers of other positions and channels",
            evidence=f"{operator.places[0].text} turns {list(before)} into {list(after)} for "
            f"{reader.name}; it keeps the order of the numbers in memory, so that one "
            + (f"step has {_share(before, after)} " if steps else "step has numbers of several ")
            + (f"instead of all {before[1]} channels of its position" if steps else "positions"),
            cause=location(operator.places),
            symptom=location(reader.places),
            subject=operator.places[0].text,
            cases=("data/reshape_instead_of_permute",),
            candidates=_permuted(evidence, operator, steps, last),
            confidence=7,
        )


def _steps(before: Shape, after: Shape) -> tuple[int, ...]:
    """Return which dimensions of maps [N, C, ...] were to become the steps; none if unclear."""
    if len(before) < MAPS or len(after) != SEQUENCE or before[0] != after[0]:
        return ()
    length = after[1]
    if min(length, before[1]) < 2 or length in accumulate(before[1:], mul):  # noqa: PLR2004  (nothing to mix)
        return ()  # neighboring dimensions are merged in their order
    spatial = tuple(range(2, len(before)))
    readings = (*((axis,) for axis in reversed(spatial)), spatial)
    return next((r for r in readings if math.prod(before[axis] for axis in r) == length), ())


def _last_steps(before: Shape, after: Shape) -> tuple[int, ...]:
    """Return which dimension of maps was to become the last one; none if it is, or if unclear."""
    if len(before) < MAPS or len(after) != SEQUENCE or before[0] != after[0]:
        return ()
    length = after[2]
    if length < 2 or length in accumulate(before[:0:-1], mul):  # noqa: PLR2004  (nothing to mix)
        return ()  # neighboring dimensions are merged in their order
    found = [axis for axis in range(2, len(before)) if before[axis] == length]
    return tuple(found) if len(found) == 1 else ()


def _share(before: Shape, after: Shape) -> str:
    """Return how many channels one step has values of."""
    positions = math.prod(before[2:])
    count = -(-after[2] // positions)
    return f"values of {count}" if count > 1 else "values of 1 or 2"


def _are_feature_maps(evidence: Evidence, operator: Operator) -> bool:
    """Return whether a convolution computed the channels, and nothing moved them since."""
    value = operator.inputs[0]
    for earlier in chain(evidence.record, value):
        if not earlier.outputs or len(earlier.outputs[0].shape) != len(value.shape):
            return False
        module = earlier.owner() if earlier.owner else None
        if module is not None and type(module).__name__ in CONVOLUTIONS:
            return output_size(module) == value.shape[1]
        if earlier.name in MOVES or earlier.name in RESHAPES:
            return False
    return False


def _reader(evidence: Evidence, operator: Operator, readers: frozenset[str]) -> Operator | None:
    """Return the layer that reads the steps of a new sequence."""
    waiting = list(operator.outputs)
    for _ in range(HOPS):
        users = [user for value in waiting for user in evidence.flow.consumers(value)]
        found = next((user for user in users if user.name in readers), None)
        if found is not None:
            return found
        passing = [user for user in users if user.name in PASSING]
        waiting = [value for user in passing for value in user.outputs]
    return None


def _permuted(
    evidence: Evidence, operator: Operator, steps: tuple[int, ...], last: tuple[int, ...]
) -> tuple[Candidate, ...]:
    """Return the change that moves the steps before the channels, or behind all, and merges."""
    site = site_of(evidence, operator.places)
    inner = applied_to(site.call, operator.name) if site else None
    if site is None or inner is None:
        return ()
    moved = steps or last
    rest = [axis for axis in range(1, len(operator.inputs[0].shape)) if axis not in moved]
    order = [0, *steps, *rest] if steps else [0, *rest, *last]
    owner = site.source.owner_text(inner)
    text = f"{owner}.permute({', '.join(map(str, order))})"
    text += f".flatten(1, {len(steps)})" if len(steps) > 1 else ""
    merged = ".flatten(2)" if steps else f".flatten(1, {len(rest)})"
    text += merged if len(rest) > 1 else ""
    return candidates((0, partial(edits.replace, site.source, [(site.call, text)])))
