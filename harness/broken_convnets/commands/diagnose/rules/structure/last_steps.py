"""The last step of a bidirectional layer: its second half has read one step of the sequence."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator

LAYERS = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
BIDIRECTIONAL, BATCH_FIRST = 7, 8  # positions of these arguments of torch.lstm and its likes
SEQUENCE = 3  # dimensions of a batch of sequences
READERS = frozenset({"linear", "relu", "dropout", "layer_norm", "batch_norm", "tanh"})


@rule(
    "both directions of a recurrent layer have read the whole sequence",
    stays_quiet="unless the last step of a bidirectional layer's output goes as a whole into the "
    "layer that follows",
)
def last_step_of_both_directions(evidence: Evidence) -> Iterator[Finding]:
    """Find `out[:, -1]` of a bidirectional LSTM."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in LAYERS or operator.literals.get(BIDIRECTIONAL) is not True:
            continue
        first = operator.literals.get(BATCH_FIRST) is True
        for chosen in evidence.flow.consumers(operator.outputs[0]) if operator.outputs else ():
            if not _is_last(evidence, chosen, first) or chosen.places[0] in seen:
                continue
            seen.add(chosen.places[0])
            yield _finding(operator, chosen, first)


def _finding(layer: Operator, chosen: Operator, first: bool) -> Finding:  # noqa: FBT001  (as batch_first)
    shape = layer.outputs[0].shape
    steps = shape[1] if first else shape[0]
    return Finding(
        kind="module",
        message=f"the backward direction of a bidirectional {layer.layer} has read only the last "
        f"of {steps} steps",
        evidence=f"`{chosen.places[0].text}` is the last step of an output of shape {list(shape)}: "
        f"its first {shape[2] // 2} features have read the sequence, and the other half begins "
        "there; use h_n, which has the end of both directions",
        severity=Severity.WARNING,
        cause=location(chosen.places),
        symptom=location(layer.places),
        subject=chosen.places[0].text,
        confidence=6,
    )


def _is_last(evidence: Evidence, chosen: Operator, first: bool) -> bool:  # noqa: FBT001
    """Return whether an operator is `out[:, -1]`, or `out[-1]`, and a layer reads all of it."""
    if chosen.name != "__getitem__" or not chosen.places or len(chosen.inputs) != 1:
        return False
    source = evidence.source(chosen.places[0].file)
    node = source.expression_at(chosen.places[0]) if source else None
    whole = len(chosen.inputs[0].shape) == SEQUENCE and chosen.inputs[0].shape[1 - (not first)] > 1
    if not whole or not isinstance(node, ast.Subscript):
        return False
    index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    parts = [ast.unparse(one) for one in index]
    expected = [":", "-1", ":"] if first else ["-1", ":", ":"]
    readers = evidence.flow.consumers(chosen.outputs[0])
    same = parts == expected[: len(parts)] and len(parts) >= 1 + first
    return same and any(one.name in READERS for one in readers)
