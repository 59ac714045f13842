"""A dimension that an operator names is one that its tensor has."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import applied, failed_operator
from broken_convnets.commands.diagnose.sites import candidates, location_in, site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
RANGE = re.compile(
    r"Dimension out of range \(expected to be in range of \[-\d+, \d+\], but got (-?\d+)\)"
)
REDUCE = {"mean", "sum", "amax", "amin", "max", "min", "prod", "logsumexp", "norm", "argmax"}
STEPS = 6  # operators before the one that failed
JOINS = {"cat", "concat", "concatenate", "stack"}
IMAGES = 4  # dimensions of a batch of images


@rule(
    "a dimension that an operator names is one that its tensor has",
    stays_quiet="about operators that join several tensors",
)
def dimension_does_not_exist(evidence: Evidence) -> Iterator[Finding]:
    """Find `argmax(1)` of a vector: squeeze() or a mean has removed a dimension before."""
    frame = require_failure(evidence, IndexError)
    matched, operator = RANGE.match(evidence.message), failed_operator(evidence)
    if matched is None or operator is None or not operator.inputs or operator.name in JOINS:
        return
    dim, value = int(matched[1]), operator.inputs[0]
    removed = _removed(evidence, value)
    squeezed = removed is not None and _is_squeezed(removed)
    site = site_of(evidence, removed.places) if removed else None
    why = f"its input is {value}"
    if removed is not None and site is not None:
        why = (
            f"`{site.source.text_of(site.call)}` makes {list(removed.outputs[0].shape)} of "
            f"{list(removed.inputs[0].shape)}"
        )
        why += ": with a batch of one, squeeze() removes the batch too" if squeezed else ""
    attempts = _repaired(removed, site) if removed and site else _last(evidence, operator)
    yield Finding(
        kind="shape/squeeze_batch_of_one" if squeezed else "shape/missing_batch_or_flat_input",
        message=f"{operator.name} names dimension {dim} of a tensor with {len(value.shape)} "
        f"dimension{'s' if len(value.shape) != 1 else ''}",
        evidence=why,
        cause=location_in(site.source, site.call) if site else frame_location(frame),
        symptom=frame_location(frame),
        subject=operator.name,
        cases=("batch/squeezed_score_of_one_image",) if squeezed else (),
        candidates=candidates(*attempts),
        confidence=9,
    )


def _removed(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator before that has removed a dimension of the value."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs or not operator.outputs:
            return None
        before = operator.inputs[0]
        if len(before.shape) > len(operator.outputs[0].shape):
            known = operator.name in REDUCE or operator.name == "squeeze"
            return operator if known else None
        value = before
    return None


def _is_squeezed(operator: Operator) -> bool:
    """Return whether squeeze() without a dimension removes a batch of one."""
    plain = operator.name == "squeeze" and not operator.literals
    shape = operator.inputs[0].shape
    return plain and len(shape) > 1 and shape[0] == 1


def _repaired(operator: Operator, site: Site) -> Iterator[Attempt]:
    """Yield the changes that keep the dimension: no squeeze(), or of the others only."""
    call, source = site.call, site.source
    if called_name(call) != operator.name or not isinstance(call.func, ast.Attribute):
        return
    shape = operator.inputs[0].shape
    is_torch = source.text_of(call.func.value) == "torch"
    owner = source.text_of(call.args[0]) if is_torch and call.args else site.receiver
    if operator.name == "squeeze" and not operator.literals:
        others = [k for k, size in enumerate(shape) if size == 1 and k]
        if not others:
            yield 0, partial(edits.replace, source, [(call, owner)])
        else:
            dims = str(others[0]) if len(others) == 1 else str(tuple(others))
            yield 0, partial(edits.replace, source, [(call, f"{owner}.squeeze({dims})")])
    elif operator.name in REDUCE and len(shape) == IMAGES:
        yield 1, partial(edits.replace, source, [(call, f"{owner}.{operator.name}((2, 3))")])


def _last(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    """Yield the changes where no dimension was removed: a batch of one, or the last dimension."""
    frame, value = evidence.frames[0], operator.inputs[0]
    call = frame.call
    whole = not value.dtype.is_floating_point and len(value.shape) == 1
    if call is not None and operator.name == "argmax" and whole:
        owner = _owner(frame, call)
        if owner:
            yield 0, partial(edits.replace, frame.source, [(call, owner)])
            return
    yield from _as_batch(evidence)
    owner_module = operator.owner() if operator.owner is not None else None
    built = construction_of(evidence.record, owner_module) if owner_module is not None else None
    for places in (built.places if built else (), operator.places):
        site = site_of(evidence, places)
        given = argument(site.call, "dim", 0) if site else None
        if site and isinstance(given, ast.Constant) and called_name(site.call) != "Sequential":
            yield 1, partial(edits.replace, site.source, [(given, "-1")])
            return
    if call is not None and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
        yield 1, partial(edits.replace, frame.source, [(call.args[1], "-1")])


def _owner(frame: UserFrame, call: ast.Call) -> str:
    """Return the tensor of `x.argmax(1)` or `torch.argmax(x, 1)`."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if owner is not None and frame.source.text_of(owner) == "torch":
        owner = call.args[0] if call.args else None
    return frame.source.text_of(owner) if owner is not None else ""


def _as_batch(evidence: Evidence) -> Iterator[Attempt]:
    """Yield the change that passes one vector to the outermost network as a batch of one."""
    for frame in reversed(evidence.frames):
        call = frame.call
        if call is None or len(call.args) != 1 or called_name(call) == "":
            continue
        if not isinstance(frame.value(call.func), nn.Module):
            continue
        given = list(evidence.record.last_pass.calls) if evidence.record.last_pass else []
        shapes = [one.received[0].shape for one in given[:1] if one.received]
        if shapes and len(shapes[0]) == 1:
            text = applied(frame.source, call.args[0], "unsqueeze(0)")
            yield 0, partial(edits.replace, frame.source, [(call.args[0], text)])
        return
