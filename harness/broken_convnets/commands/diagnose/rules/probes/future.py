"""A network that predicts the next element of a sequence does not see it."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.probes.directions import line_of_directions
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value
    from broken_convnets.observe.traced_forward import TracedOperator

HOPS = 8  # operators between a slice and the loss or the network
LENGTH = 4  # steps of a sequence, at least
ALL_BUT_FIRST, ALL_BUT_LAST = ("1", None), (None, "-1")  # the bounds of a slice


@rule(
    "a network that predicts the next element of a sequence does not see it",
    stays_quiet="unless the target is the input, one step later, and the output has a dimension "
    "of the same length",
)
def next_element_seen(evidence: Evidence) -> Iterator[Finding]:
    """Find a missing causal mask, padding on both sides, and layers that read backwards."""
    require_success(evidence)
    for probe, dim in _sequences(evidence):
        seen = evidence.probing.run(partial(_first_leak, probe, dim))
        if seen is None or not seen.places:
            continue
        place = seen.places[0]
        yield Finding(
            kind="training/not_learning",
            message="the network sees the elements that it is trained to predict",
            evidence=f"the target is the input, one step later; a change of the last step of the "
            f"input changes earlier steps of the output, from {place.text} on",
            cause=line_of_directions(evidence, place) or Location(place.file, place.line),
            symptom=Location(place.file, place.line),
            subject=place.text,
            confidence=7,
        )
        return


def _sequences(evidence: Evidence) -> Iterator[tuple[Probe, int]]:
    """Yield networks whose target is the input one step later, and the dimension of the steps."""
    targets = [found for call in evidence.record.losses if (found := _target(evidence, call))]
    shifted = evidence.record.content_facts.shifted_targets
    for probe in evidence.probing.probes if targets or shifted else ():
        forward = probe.forward
        sliced = _slice(evidence, forward.received[0]) if forward.received else None
        bounds = _bounds(evidence, sliced)
        cut = bounds is not None and bounds[1:] == ALL_BUT_LAST
        if (
            sliced
            and bounds
            and cut
            and any(sliced.inputs[0] is base and bounds[0] == dim for base, dim in targets)
        ):
            yield probe, bounds[0]
            continue
        for one in shifted:
            known = evidence.flow.ancestors(one.operator.inputs[:1])
            if one.forward is forward and not known.isdisjoint(forward.returned):
                yield probe, one.dim
                break


def _target(evidence: Evidence, call: LossCall) -> tuple[Value, int] | None:
    """Return the tensor that a target is all of but the first step, and the dimension."""
    if len(call.operator.inputs) < 2:  # noqa: PLR2004  (scores and target)
        return None
    sliced = _slice(evidence, call.operator.inputs[1])
    bounds = _bounds(evidence, sliced)
    if sliced is None or bounds is None or bounds[1:] != ALL_BUT_FIRST:
        return None
    return sliced.inputs[0], bounds[0]


def _slice(evidence: Evidence, value: Value) -> Operator | None:
    """Return the slice by the program that a value is, through views of it."""
    for _ in range(HOPS):
        found = evidence.record.producer(value)
        if found is None or not found.inputs:
            return None
        if found.name == "__getitem__" and _bounds(evidence, found) is not None:
            return found
        if found.name not in TRANSPARENT:
            return None
        value = found.inputs[0]
    return None


def _bounds(
    evidence: Evidence, operator: Operator | None
) -> tuple[int, str | None, str | None] | None:
    """Return the dimension and the bounds of a slice of one step less; None for others."""
    if operator is None or not operator.places or not operator.outputs:
        return None
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    before, after = operator.inputs[0].shape, operator.outputs[0].shape
    shorter = [dim for dim, (a, b) in enumerate(zip(before, after, strict=False)) if a != b]
    if source is None or not isinstance(node, ast.Subscript) or len(before) != len(after):
        return None
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    slices = [one for one in parts if isinstance(one, ast.Slice) and (one.lower or one.upper)]
    if len(slices) != 1 or len(shorter) != 1 or slices[0].step is not None:
        return None
    if before[shorter[0]] != after[shorter[0]] + 1:
        return None
    lower, upper = slices[0].lower, slices[0].upper
    texts = [source.text_of(one) if one is not None else None for one in (lower, upper)]
    return shorter[0], None if texts[0] == "0" else texts[0], texts[1]


def _first_leak(probe: Probe, dim: int) -> TracedOperator | None:
    """Return the first operator whose earlier steps depend on the last step of the input."""
    given = tensors(probe.subject.inputs())[0]
    length = given.shape[dim] if dim < given.ndim else 0
    if length < LENGTH:
        return None
    traces = []
    for change in (False, True):
        net, inputs = probe.subject.build().eval(), probe.subject.inputs()
        if change:
            _change_last(tensors(inputs)[0], dim)
        seed_all(0)
        traces.append(trace_call(lambda: net.forward(inputs)))  # noqa: B023  (called at once)
    (one, error), (two, other) = traces
    if error or other or [o.name for o in one] != [o.name for o in two] or not one:
        return None
    leaks = [
        before
        for before, after in zip(one, two, strict=True)
        if any(_leaks(a, b, length) for a, b in zip(before.outputs, after.outputs, strict=False))
    ]
    return leaks[0] if leaks and leaks[-1] is one[-1] else None


def _change_last(tensor: torch.Tensor, dim: int) -> None:
    """Give the last step the value of another one, in place."""
    last, other = tensor.select(dim, -1), tensor.select(dim, 0)
    last.copy_(other if not torch.equal(last, other) else tensor.select(dim, 1).clone())


def _leaks(one: torch.Tensor, two: torch.Tensor, length: int) -> bool:
    """Return whether two results differ in more than the last of as many steps."""
    if one.shape != two.shape or not one.ndim:
        return False
    different = ~torch.isclose(one, two, rtol=1e-4, atol=1e-6, equal_nan=True)
    along = [dim for dim in range(one.ndim) if one.shape[dim] == length]
    if not along or not bool(different.any()):
        return False
    return all(bool(different.narrow(dim, 0, length - 1).any()) for dim in along)
