"""What a network reads from sequences of several lengths are their steps, not the padding."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.observe.recorder.padding_masks import IGNORING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
CORRECTIONS = frozenset({"mul", "div", "__mul__", "__truediv__", "__rmul__", "true_divide"})
SEQUENCE = 3  # dimensions of a batch of sequences
STEPS = 200  # operators between an attention and a mean


@dataclass(frozen=True)
class Unpacked:
    """What pad_packed_sequence returned: its dimension of steps, and how many there are in all."""

    value: Value
    steps_dim: int
    layer: Operator
    count: int  # steps of all sequences, without padding


@dataclass(frozen=True)
class Read:
    """An operator that reads padding, and why it does."""

    operator: Operator
    what: str
    why: str
    symptom: Operator


@dataclass(frozen=True)
class _Named:
    steps: int
    samples: int


@rule(
    "what a network reads from padded sequences are their last steps, not the padding",
    stays_quiet="unless the last step is taken of what pad_packed_sequence returned for sequences "
    "of several lengths, and a loss depends on it",
)
def last_step_is_padding(evidence: Evidence) -> Iterator[Finding]:
    """Find `out[:, -1]` after pad_packed_sequence."""
    require_success(evidence)
    for unpacked in _unpacked(evidence):
        for operator in evidence.flow.consumers(unpacked.value):
            if operator.name != "__getitem__" or not _is_last(evidence, operator, unpacked):
                continue
            if not evidence.flow.backward_passes_from(operator.outputs):
                continue
            size = _size(unpacked)
            yield _finding(
                Read(
                    operator,
                    "the last step of a padded sequence is padding for all shorter ones",
                    f"`{operator.places[0].text}` reads step {size.steps} of {size.samples} "
                    f"sequences, which have {unpacked.count} steps in all and not "
                    f"{size.steps * size.samples}: pad_packed_sequence returned zeros there; the "
                    "last state of each sequence is in h_n",
                    unpacked.layer,
                ),
            )
            return


@rule(
    "a mean over the steps of padded sequences leaves the padding out",
    stays_quiet="unless the mean is over what pad_packed_sequence returned for sequences of other "
    "lengths, or what an attention returned that ignores padded keys; if its result is "
    "multiplied or divided, or anything but parameters is combined with the steps before; a "
    "warning behind an attention",
)
def padding_in_the_mean(evidence: Evidence) -> Iterator[Finding]:
    """Find `out.mean(1)` after an encoder that is given a key_padding_mask."""
    require_success(evidence)
    for read in (*_means_of_unpacked(evidence), *_means_of_attention(evidence)):
        if any(o.name in CORRECTIONS for o in evidence.flow.consumers(read.operator.outputs[0])):
            continue
        if evidence.flow.backward_passes_from(read.operator.outputs):
            yield _finding(read)
            return


def _finding(read: Read) -> Finding:
    meant = read.symptom.name == IGNORING  # few tokens of padding change a mean only a little
    return Finding(
        kind="module",
        message=read.what,
        evidence=read.why,
        severity=Severity.WARNING if meant else Severity.ERROR,
        cause=location(read.operator.places),
        symptom=location(read.symptom.places),
        subject=read.operator.places[0].text,
        confidence=7,
    )


def _unpacked(evidence: Evidence) -> Iterator[Unpacked]:
    """Yield the padded outputs of recurrent layers that read packed sequences of unequal length."""
    layers = [o for o in evidence.record.operators if o.name in RECURRENT and _is_packed(o)]
    if not layers:
        return
    for operator in evidence.record.operators:
        before = [one for one in layers if one.number < operator.number]
        for value in operator.inputs[:1] if before else ():
            found = _as_unpacked(evidence, value, before[-1])
            if found is not None and operator.places:
                yield found


def _is_packed(operator: Operator) -> bool:
    given = operator.inputs
    packed = len(given) > SEQUENCE and len(given[0].shape) == 2 and len(given[1].shape) == 1  # noqa: PLR2004  (steps, features)
    return packed and len(given[2].shape) == SEQUENCE and bool(operator.outputs)


def _as_unpacked(evidence: Evidence, value: Value, layer: Operator) -> Unpacked | None:
    count, features = layer.outputs[0].shape[:2]
    longest, samples = layer.inputs[1].shape[0], layer.inputs[2].shape[1]
    maker = evidence.record.producer(value)
    if maker is not None and maker.name == "index_select":  # back to the order before sorting
        maker = evidence.record.producer(maker.inputs[0])
    if (
        maker is not None
        or value.parameter
        or not value.requires_grad
        or longest * samples <= count
    ):
        return None
    shapes = [(longest, samples, features), (samples, longest, features)]
    if value.shape not in shapes or longest == samples:
        return None
    return Unpacked(value, shapes.index(value.shape), layer, count)


def _size(unpacked: Unpacked) -> _Named:
    shape = unpacked.value.shape
    return _Named(shape[unpacked.steps_dim], shape[1 - unpacked.steps_dim])


def _is_last(evidence: Evidence, operator: Operator, unpacked: Unpacked) -> bool:
    """Return whether an operator is `out[:, -1]`, or `out[-1]` with the time first."""
    source = evidence.source(operator.places[0].file) if operator.places else None
    node = source.expression_at(operator.places[0]) if source else None
    if not isinstance(node, ast.Subscript):
        return False
    index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    parts = [ast.unparse(one) for one in index]
    expected = ["-1", ":", ":"] if unpacked.steps_dim == 0 else [":", "-1", ":"]
    return len(parts) > unpacked.steps_dim and parts == expected[: len(parts)]


def _means_of_unpacked(evidence: Evidence) -> Iterator[Read]:
    for unpacked in _unpacked(evidence):
        for operator in evidence.flow.consumers(unpacked.value):
            if _is_mean(operator, unpacked.steps_dim) and not _is_normalized(evidence, operator):
                size = _size(unpacked)
                yield Read(
                    operator,
                    "the mean over a padded sequence counts the padding",
                    f"`{operator.places[0].text}` divides by {size.steps} steps for each of "
                    f"{size.samples} sequences, which have {unpacked.count} steps in all: what "
                    "pad_packed_sequence adds are zeros, so shorter sequences have smaller means; "
                    "divide the sum by the lengths",
                    unpacked.layer,
                )


def _is_normalized(evidence: Evidence, mean: Operator) -> bool:
    """Return whether a mean is scaled by itself, so that a factor of its length does not matter."""
    users = evidence.flow.consumers(mean.outputs[0])
    return bool(users) and all(one.name in {"layer_norm", "cosine_similarity"} for one in users)


def _means_of_attention(evidence: Evidence) -> Iterator[Read]:
    ignored = evidence.record.content_facts.ignored_keys
    masked = [o for o in evidence.record.operators if o.name == IGNORING and ignored.get(o.number)]
    for operator in evidence.record.operators if masked else ():
        dims = [dim for dim in (0, 1) if _is_mean(operator, dim)]
        if not dims or not operator.places:
            continue
        attention = _attention(evidence, operator, masked)
        mask = _padding_mask(attention) if attention is not None else None
        shape = operator.inputs[0].shape[:2]
        if attention is None or mask is None or mask.shape not in {shape, shape[::-1]}:
            continue
        if mask.shape[1] != operator.inputs[0].shape[dims[0]] or mask.shape[0] == mask.shape[1]:
            continue
        count = ignored[attention.number]
        yield Read(
            operator,
            "the mean over a padded sequence counts the padding",
            f"`{operator.places[0].text}` is over all {mask.shape[1]} steps, and "
            f"{count} of {mask.shape[0] * mask.shape[1]} are padding, which the attention ignores "
            "as keys and still returns an output for: multiply by the mask, and divide by the "
            "lengths",
            attention,
        )


def _is_mean(operator: Operator, dim: int) -> bool:
    """Return whether an operator is the mean of sequences along one dimension."""
    given = operator.literals.get(1, operator.literals.get("dim"))
    named = [given] if isinstance(given, int) else list(given) if isinstance(given, tuple) else []
    shape = operator.inputs[0].shape if operator.inputs else ()
    is_sequence = len(shape) == SEQUENCE and operator.name == "mean"
    return is_sequence and bool(operator.places) and named in ([dim], [dim - SEQUENCE])


def _padding_mask(attention: Operator) -> Value | None:
    found = [v for v in attention.inputs if len(v.shape) == 2 and not v.parameter]  # noqa: PLR2004  (samples, keys)
    return found[-1] if found else None


def _attention(evidence: Evidence, mean: Operator, masked: list[Operator]) -> Operator | None:
    """Return the attention whose steps a mean is over, if parameters alone come in between."""
    waiting, known = [mean.inputs[0]], set[object]()
    found: Operator | None = None
    first = max((one.number for one in masked if one.number < mean.number), default=-1)
    while waiting and len(known) < STEPS:
        value = waiting.pop()
        operator = evidence.record.producer(value)
        if value in known or operator is None or operator.number < first:
            continue
        known.add(value)
        if operator in masked:
            found = operator
            continue
        if any(not v.requires_grad and not v.parameter and v.shape for v in operator.inputs):
            return None
        waiting += operator.inputs
    return found
