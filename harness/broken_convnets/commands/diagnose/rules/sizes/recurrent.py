"""Rule: recurrent and attention layers receive sequences of the size that they are for."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.expressions import wrap_failing
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    ATTENTION,
    RECURRENT,
    declared,
    input_argument,
    type_name,
)
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import (
    LATER,
    Mismatch,
    mismatch_candidates,
    ranked,
)
from broken_convnets.commands.diagnose.analysis.sizes.states import (
    sized_state_changes,
    state_changes,
)
from broken_convnets.commands.diagnose.analysis.sizes.wording import (
    constructed,
    described,
    layer_name,
    location_of,
    shape,
)
from broken_convnets.commands.diagnose.edits import set_argument
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.evidence import Evidence

LAYERS = {*RECURRENT, *ATTENTION, "MultiheadAttention"}
HIDDEN = re.compile(r"Expected hidden(?:\[\d\])? size \(([\d, ]+)\), got \[([\d, ]+)\]")
MASK = re.compile(r"attn_mask is .* but should be|key_padd\w+mask\S* to be")
SEQUENCE = 3
PAIR = 2


@rule(
    "recurrent and attention layers receive as many features as they were constructed for",
    stays_quiet="about inputs with more than three dimensions",
)
def sequence_has_other_features(evidence: Evidence) -> Iterator[Finding]:
    """Compare the last dimension of the sequence with input_size, embed_dim or d_model."""
    failed = failed_call(evidence)
    layer = failed.layer if failed else None
    if failed is None or layer is None or not failed.received or type_name(layer) not in LAYERS:
        return
    name, value = input_argument(layer), failed.received[0]
    number = declared(layer, name)
    if type_name(layer) in ATTENTION:  # with the memory of a decoder
        value = next((v for v in failed.received[:PAIR] if v.shape[-1:] != (number,)), value)
    if number is None or not value.shape or value.shape[-1] == number:
        return
    found = Mismatch(evidence, failed, layer, name, number, value.shape[-1], value)
    moved = wrap_failing(evidence, failed, value, "{}.transpose(1, 2)")
    is_moved = len(value.shape) == SEQUENCE and value.shape[1] == number
    extra = wrap_failing(evidence, failed, value, "{}.flatten(2)")
    own = mismatch_candidates(found)
    candidates = ranked((0, "", moved if is_moved else []))
    candidates += ranked((0, "", extra)) if len(value.shape) > SEQUENCE else own
    yield Finding(
        kind="shape/linear_in_features",
        message=f"{layer_name(evidence, layer)} is constructed with {name}={number}, and receives "
        f"{shape(value)}, with {value.shape[-1]} features",
        evidence=f"{shape(value)} is {described(evidence, found.made_by)}; the layer is "
        f"{constructed(evidence, failed.construction) or type_name(layer)}",
        cause=location(failed.places)
        if is_moved
        else location_of(evidence, failed.construction) or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        module=layer_name(evidence, layer).rpartition(" ")[0],
        candidates=candidates,
        confidence=8,
    )


@rule(
    "a hidden state is for as many samples as the batch has",
    stays_quiet="if the program passes no hidden state",
)
def hidden_state_of_other_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find a state for a fixed number of samples, or a layer without batch_first=True."""
    failed = failed_call(evidence)
    matched = HIDDEN.search(failed.message) if failed else None
    if failed is None or matched is None or failed.layer is None or not failed.received:
        return
    wanted, passed = (tuple(map(int, matched[k].split(", "))) for k in (1, 2))
    if wanted[1] == passed[1]:
        yield _state_of_other_size(evidence, failed, wanted, passed)
        return
    value = failed.received[0]
    swapped = passed[1] == value.shape[0] and not getattr(failed.layer, "batch_first", True)
    first = _batch_first(evidence, failed) if swapped else []
    states = state_changes(evidence, failed, value, passed[1])
    yield Finding(
        kind="shape/hardcoded_batch_size",
        message=f"the hidden state is {list(passed)}, and the batch {shape(value)} needs "
        f"{list(wanted)}",
        evidence="without batch_first=True, dimension 1 of the input is the batch"
        if swapped
        else f"the state is for {passed[1]} samples, and the batch has {wanted[1]}",
        cause=location_of(evidence, failed.construction) if swapped else states.cause,
        symptom=location(failed.places),
        subject=failed.message,
        cases=("batch/hardcoded_batch_size",),
        candidates=ranked((0, "", first), (0 if not swapped else LATER, "", states.changes)),
        confidence=8,
    )


def _state_of_other_size(
    evidence: Evidence, failed: FailedCall, wanted: tuple[int, ...], passed: tuple[int, ...]
) -> Finding:
    """Return the finding for a state with another number of layers or features."""
    name = "num_layers" if wanted[0] != passed[0] else "hidden_size"
    axis = 0 if name == "num_layers" else 2
    layer = failed.layer
    own = [
        change
        for change in argument_changes(
            evidence, failed.construction, layer, name, Wanted(passed[axis], wanted[axis])
        )
        if layer is not None and passed[axis] > 0
    ]
    states = sized_state_changes(evidence, failed, axis, wanted[axis])
    return Finding(
        kind="shape/elementwise_size_mismatch",
        message=f"the hidden state is {list(passed)}, and the layer needs {list(wanted)}",
        evidence=f"dimension {axis} is {name}; the layer is "
        f"{constructed(evidence, failed.construction)}",
        cause=states.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        candidates=ranked((0, "changes the state", states.changes), (0, "changes the layer", own)),
        confidence=8,
    )


@rule(
    "attention masks have the length of the sequences",
    stays_quiet="unless the batch and the sequence are exchanged, as without batch_first=True",
)
def attention_mask_of_other_length(evidence: Evidence) -> Iterator[Finding]:
    """Find attention that takes dimension 1 as the batch."""
    failed = failed_call(evidence)
    if failed is None or failed.layer is None or not MASK.search(failed.message):
        return
    changes = _batch_first(evidence, failed)
    if not changes:
        return
    yield Finding(
        kind="shape/elementwise_size_mismatch",
        message=f"{layer_name(evidence, failed.layer)} treats dimension 0 as the sequence, and the "
        "mask is for dimension 1",
        evidence=f"batch_first is False; the input is {shape(failed.received[0])}"
        if failed.received
        else "batch_first is False",
        cause=location_of(evidence, failed.construction),
        symptom=location(failed.places),
        subject=failed.message,
        candidates=ranked((0, "", changes)),
        confidence=7,
    )


def _batch_first(evidence: Evidence, failed: FailedCall) -> list[partial[dict[str, str]]]:
    site = constructor(evidence, failed.construction)
    if site is None or any(keyword.arg == "batch_first" for keyword in site.call.keywords):
        return []
    return [partial(set_argument, site.source, site.call, "batch_first", None, "True")]
