"""A convolution slides along the steps of a sequence, not along a dimension of length 1."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument, called_name
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SEQUENCES = 3  # dimensions: samples, channels, steps
ROWS = 256  # of a batch that are compared
HOPS = 16
MOVING = frozenset({"permute", "transpose", "movedim", "swapaxes", "__get__ T", "__get__ mT"})
PICKING = frozenset({"__getitem__", "select", "unbind", "__iter__"})
ADDING = frozenset({"unsqueeze", "view", "reshape", "__getitem__", "unflatten"})
# Operators that keep what the two last dimensions of a batch mean.
KEEPING = TRANSPARENT | {
    *("stack", "cat", "index_select", "detach", "requires_grad_", "pin_memory", "as_tensor"),
    *("sub", "__sub__", "div", "__truediv__", "mul", "__mul__", "add", "__add__", "clamp"),
}


class Origin(NamedTuple):
    """Where the dimension of length 1 comes from: an operator, or the data themselves."""

    operator: Operator | None
    added: bool  # by this operator, and not moved by it


@rule(
    "a convolution over sequences slides along their steps",
    stays_quiet="unless training calls a Conv1d with a kernel of several elements on data of "
    "length 1 with as many channels, at each of its calls; about what layers or pooling computed, "
    "and single steps of several features. A warning if the data have this shape from their file",
)
def slides_along_one_step(evidence: Evidence) -> Iterator[Finding]:
    """Find `conv(windows.unsqueeze(-1))` of windows of shape [N, T]."""
    require_success(evidence)
    layers: dict[object, list[Operator]] = {}
    for operator in evidence.record.operators:
        if operator.name == "conv1d" and operator.places and operator.outputs:
            layers.setdefault((operator.module, operator.places[0]), []).append(operator)
    for calls in layers.values():
        learned = any(one.outputs[0] in evidence.flow.reaching_backward for one in calls)
        origin = _origin(evidence, calls[0].inputs[0]) if learned and _all_short(calls) else None
        if origin is None:
            continue
        windows = _are_windows(evidence, calls[0].inputs[0].shape)
        if origin.added or windows or origin.operator is None:
            yield _finding(evidence, calls[0], origin, windows=windows)
            return


def _all_short(calls: list[Operator]) -> bool:
    """Return whether all inputs have length 1, so that most of the kernel meets only padding."""
    return all(
        len(shape := one.inputs[0].shape) == SEQUENCES
        and shape[2] == 1
        and shape[1] >= one.inputs[1].shape[2] > 1
        for one in calls
    )


def _origin(evidence: Evidence, value: Value) -> Origin | None:
    """Return where a batch gets its length of 1; None if layers or pooling computed it."""
    for _ in range(HOPS):
        found = evidence.record.producer(value)
        if found is None or not found.inputs:
            return None if value.requires_grad else Origin(None, added=False)
        former, shape = found.inputs[0], value.shape
        if former.shape[-2:] == shape[-2:] and found.name in KEEPING:
            value = former
        elif found.name in MOVING and found.places:
            return Origin(found, added=False)
        elif found.name in ADDING and len(former.shape) < len(shape) and found.places:
            kept = not former.requires_grad and former.shape[-1:] == shape[-2:-1]
            single = _is_single_step(evidence, former)
            return Origin(found, added=True) if kept and not single else None
        else:
            return None
    return None


def _is_single_step(evidence: Evidence, value: Value) -> bool:
    """Return whether a batch has one step of longer sequences, as in a loop over the steps."""
    producer = evidence.record.producer(value)
    if producer is None or producer.name not in PICKING or not producer.inputs:
        return False
    return len(producer.inputs[0].shape) == SEQUENCES > len(value.shape) > 1


def _are_windows(evidence: Evidence, shape: tuple[int, ...]) -> bool:
    """Return whether samples of a batch are the same numbers, moved by some steps.

    The channels of windows that slide over a series are its steps.
    """
    captured = (forward.captured for forward in evidence.record.passes if forward.captured)
    batches = (one for inputs in captured for one in tensors(inputs))
    found = next((one for one in batches if sorted(one.shape[1:]) == sorted(shape[1:])), None)
    return found is not None and _overlap(found.detach().reshape(len(found), -1)[:ROWS])


def _overlap(rows: torch.Tensor) -> bool:
    least = rows.shape[1] // 2
    for moved in range(1, least + 1):
        starts = {tuple(row) for row in rows[:, : rows.shape[1] - moved].tolist()}
        ends = {tuple(row) for row in rows[:, moved:].tolist()}
        shared = {row for row in starts & ends if len(set(row)) > 1}
        if shared:
            return True
    return False


def _finding(evidence: Evidence, call: Operator, origin: Origin, *, windows: bool) -> Finding:
    _, channels, _ = call.inputs[0].shape
    kernel = call.inputs[1].shape[2]
    built = evidence.record.construction_of(call)
    places = origin.operator.places if origin.operator else built.places if built else call.places
    what = f"`{origin.operator.places[0].text}` returns" if origin.operator else "the data have"
    overlap = "; samples are windows over one series, moved by some steps" if windows else ""
    return Finding(
        kind="module",
        message=f"a Conv1d with a kernel of {kernel} slides along a dimension of length 1: it "
        f"takes the {channels} numbers of a sample for channels",
        evidence=f"its input has the shape {list(call.inputs[0].shape)} at each call, and {what} "
        f"it the length 1: at each position, {kernel - 1} of {kernel} elements of the kernel meet "
        f"only padding{overlap}. [N, 1, {channels}] has {channels} steps",
        severity=Severity.ERROR if windows or origin.added else Severity.WARNING,
        cause=location(places),
        symptom=location(call.places),
        subject=places[0].text if places else "",
        candidates=_second_dimension(evidence, origin),
        confidence=7,
    )


def _second_dimension(evidence: Evidence, origin: Origin) -> tuple[Candidate, ...]:
    """Return the change that adds the dimension before the steps."""
    site = site_of(evidence, origin.operator.places) if origin.operator else None
    if site is None or origin.operator is None or called_name(site.call) != "unsqueeze":
        return ()
    axis = argument(site.call, "dim", 1 if site.receiver == "torch" else 0)
    new = str(len(origin.operator.inputs[0].shape) - 1)
    changes = [(axis, new)] if axis is not None else []
    return candidates((0, partial(edits.replace, site.source, changes))) if changes else ()
