"""All tensors of an operator are on one device."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    failed_operator,
    operand_of,
    outer_operand,
)
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.dtypes.casts import Operand
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "all tensors of an operator are on one device",
    stays_quiet="about numbers, which may be on the CPU",
)
def two_devices(evidence: Evidence) -> Iterator[Finding]:
    """Find inputs, labels, parameters and new tensors that were left on another device."""
    frame = require_failure(evidence, RuntimeError, NotImplementedError)
    operator = failed_operator(evidence)
    found = _strays(operator) if operator else None
    if operator is None or found is None:
        return
    stray, others = found
    one = operand_of(evidence, stray)
    kind, what = _kind(evidence, stray, others, one)
    text = shortened(one.text) if one else what
    yield Finding(
        kind=kind,
        message=f"`{text}` is on {stray.device}, the other tensors of {operator.name} are on "
        f"{others.device}",
        evidence=f"{what}; move it with .to({str(others.device)!r})",
        cause=origin_location(one.origin)
        if one and isinstance(one.origin.node, ast.Call) and not one.origin.looped
        else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        cases=("device/tensor_created_on_cpu_in_forward",),
        candidates=candidates(*_moved(evidence, one, others)) if one else (),
        confidence=9,
    )


def _strays(operator: Operator) -> tuple[Value, Value] | None:
    """Return a tensor on a device of its own, an activation first, and one of the others."""
    tensors = [v for v in operator.inputs if v.shape or v.device.type != "cpu"]
    devices = {str(v.device) for v in tensors}
    if len(devices) != 2:  # noqa: PLR2004  (two devices)
        return None
    on_cpu = [v for v in tensors if v.device.type == "cpu"]
    rest = [v for v in tensors if v not in on_cpu]
    if not on_cpu or not rest:
        return tensors[0], next(v for v in tensors if v.device != tensors[0].device)
    return on_cpu[0], rest[0]


def _kind(evidence: Evidence, stray: Value, others: Value, one: Operand | None) -> tuple[str, str]:
    """Return the kind, and what was left behind."""
    if stray.parameter:
        return "device/model_on_cpu", "the parameters were not moved"
    if stray.operator is not None:
        producer = evidence.record.producer(stray)
        created = producer is not None and not producer.inputs
        if created:
            return "device/new_tensor_on_cpu", "the tensor is created on the default device"
    if one is not None and isinstance(one.node, ast.Attribute):
        owner = one.frame.value(one.node.value)
        if isinstance(owner, nn.Module) and one.node.attr not in owner._buffers:  # noqa: SLF001  (torch has no other way to ask)
            return "device/buffer_alias_not_moved", "the attribute is not a registered buffer"
    known = others.parameter and stray.operator is None
    return ("device/input_on_cpu" if known else "device/device_mismatch"), "it was not moved"


def _moved(evidence: Evidence, one: Operand, others: Value) -> Iterator[Attempt]:
    outer = outer_operand(evidence, one)
    method = f"to({str(others.device)!r})".replace("'", '"')
    for rank, place in enumerate((outer, one)):
        text = f"{place.text}.{method}"
        yield rank, partial(edits.replace, place.frame.source, [(place.node, text)])


@rule(
    "a device that a program names is there",
    stays_quiet="about devices that are available",
)
def missing_device(evidence: Evidence) -> Iterator[Finding]:
    """Find `.cuda()` and `.to("cuda")` on a machine or in a build without CUDA."""
    frame = require_failure(evidence, AssertionError, RuntimeError)
    text = evidence.message
    if not re.search(r"not compiled with CUDA|no NVIDIA driver|No CUDA GPUs|not linked with", text):
        return
    call = frame.call
    name = shortened(frame.source.text_of(call)) if call else ""
    yield Finding(
        kind="device/device_mismatch",
        message=f"`{name}` needs a CUDA device, and there is none",
        evidence='use device = "cuda" if torch.cuda.is_available() else "cpu" everywhere',
        cause=frame_location(frame),
        subject=name,
        candidates=candidates(*_on_cpu(evidence)),
        confidence=9,
    )


def _on_cpu(evidence: Evidence) -> Iterator[Attempt]:
    """Yield the change that leaves the tensors where they are."""
    frame = evidence.frames[0]
    call = frame.call
    if call is None:
        return
    if isinstance(call.func, ast.Attribute) and call.func.attr == "cuda":
        text = frame.source.text_of(call.func.value)
        yield 0, partial(edits.replace, frame.source, [(call, text)])
    constants = [
        node
        for node in frame.source.expressions
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = [(node, '"cpu"') for node in constants if re.fullmatch(r"cuda(:\d)?", str(node.value))]
    if named:
        yield 0, partial(edits.replace, frame.source, named)
