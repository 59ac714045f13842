"""Layers and losses are constructed with sizes, and called with tensors."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.types.not_called import (
    constructed_first,
    is_function_like,
)
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence


@rule(
    "a layer or a loss is constructed first, and then called with tensors",
    stays_quiet="about classes that are not layers of PyTorch",
)
def constructor_called_with_tensors(evidence: Evidence) -> Iterator[Finding]:
    """Find constructors of layers and losses that fail because they receive tensors."""
    frame = require_failure(evidence)
    call = frame.call
    if call is None or not call.args:
        return
    built = frame.value(call.func)
    if not isinstance(built, type) or not issubclass(built, nn.Module):
        return
    if not built.__module__.startswith("torch."):
        return
    tensors = [a for a in call.args if isinstance(frame.value(a), torch.Tensor)]
    unknown = [a for a in call.args if frame.value(a) is UNKNOWN and isinstance(a, ast.Call)]
    if not tensors and not (unknown and "Tensor" in evidence.message):
        return
    loss = is_function_like(built)
    text = shortened(frame.source.text_of(call))
    yield Finding(
        kind="loss/module_as_function" if loss else "training/constructor_vs_instance",
        message=f"`{text}` passes tensors to the constructor of {built.__name__}",
        evidence=f"construct it first, `{called_name(call)}()`, and call the result",
        cause=frame_location(frame),
        subject=text,
        cases=("loss/loss_module_as_function" if loss else "module/layer_constructed_with_input",),
        candidates=candidates(*constructed_first(frame.source, call)),
        confidence=10,
    )
