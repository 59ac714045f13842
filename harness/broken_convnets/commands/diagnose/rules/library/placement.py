"""Networks are placed where their wrapper expects them, and leave the meta device with values."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

DEVICES = {"cuda": '"cuda"', "cpu": '"cpu"'}  # methods of a module, and the device that they name


@rule(
    "DistributedDataParallel has device_ids only for a network on one GPU",
    stays_quiet="about networks that are not on the CPU as a whole",
)
def device_ids_on_cpu(evidence: Evidence) -> Iterator[Finding]:
    """Find `device_ids` or `output_device` for a network whose parameters are on the CPU."""
    frame = require_failure(evidence, ValueError, AssertionError)
    text, call = evidence.message, frame.call
    on_cpu = "module parameters {device(type='cpu')}" in text
    if call is None or "DistributedDataParallel device_ids" not in text or not on_cpu:
        return
    yield Finding(
        kind="device/dataparallel_device",
        message="DistributedDataParallel has device_ids, and the network is on the CPU",
        evidence="leave device_ids out on the CPU; on a GPU, move the network with .to(rank) "
        "before it is wrapped",
        cause=frame_location(frame),
        subject=shortened(frame.source.text_of(call)),
        cases=("device/ddp_device_ids_on_cpu",),
        candidates=candidates((0, partial(_without_devices, frame, call))),
        confidence=9,
    )


def _without_devices(frame: UserFrame, call: ast.Call) -> Patch:
    """Return the change that removes the keywords for devices."""
    source = frame.source
    named = [k for k in call.keywords if k.arg not in {"device_ids", "output_device"}]
    if len(named) == len(call.keywords):
        reason = "the devices are not passed by keyword"
        raise edits.EditError(reason)
    parts = [source.text_of(node) for node in call.args]
    parts += [f"{k.arg}={source.text_of(k.value)}" for k in named if k.arg]
    parts += [f"**{source.text_of(k.value)}" for k in named if not k.arg]
    return edits.replace(source, [(call, f"{source.text_of(call.func)}({', '.join(parts)})")])


@rule(
    "a network leaves the meta device by to_empty(), since it has no values there",
    stays_quiet="about single tensors",
)
def moved_from_meta(evidence: Evidence) -> Iterator[Finding]:
    """Find `to(device)`, `cuda()` or `cpu()` of a module whose parameters are on meta."""
    frame = require_failure(evidence, NotImplementedError)
    call = frame.call
    if call is None or "Cannot copy out of meta tensor" not in evidence.message:
        return
    network = frame.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
    if not isinstance(network, nn.Module):
        return
    tensors = (*network.named_parameters(), *network.named_buffers())
    on_meta = [name for name, tensor in tensors if tensor.is_meta]
    yield Finding(
        kind="device/meta_without_data",
        message="to() copies values, and a network on the meta device has none",
        evidence=f"{len(on_meta)} tensors are on meta, such as {', '.join(on_meta[:2])}; "
        "to_empty() allocates them, then load_state_dict() fills them",
        cause=frame_location(frame),
        subject=shortened(frame.source.text_of(call)),
        cases=("device/meta_weights_without_data",),
        candidates=candidates((0, partial(_to_empty, frame, call))),
        confidence=9,
    )


def _to_empty(frame: UserFrame, call: ast.Call) -> Patch:
    """Return the change of a move to `to_empty(device=...)`."""
    source, function = frame.source, call.func
    device = argument(call, "device", 0)
    if not isinstance(function, ast.Attribute):
        reason = "the move is not a method"
        raise edits.EditError(reason)
    text = source.text_of(device) if device else DEVICES.get(function.attr, '"cpu"')
    new = f"{source.text_of(function.value)}.to_empty(device={text})"
    return edits.replace(source, [(call, new)])
