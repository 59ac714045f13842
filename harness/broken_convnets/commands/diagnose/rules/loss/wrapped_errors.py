"""Errors of 8-bit tensors, whose differences wrap around modulo 256."""

from __future__ import annotations

import ast
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.pair_answers import answer, number, pair_calls
from broken_convnets.commands.diagnose.rules.loss.pair_images import (
    BYTE,
    image_range,
    images_apart,
)
from broken_convnets.commands.diagnose.sites import location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.pair_calls import PairCall

KIND = "loss/broadcast_metric"
SOME = 0.01  # share by which two results may differ and be equal


@rule(
    "a PSNR or error that the program computes is that of the numbers, not of wrapped bytes",
    stays_quiet="unless the function received 8-bit tensors, and returns another number for the "
    "same pixels as floating-point numbers",
)
def error_of_wrapped_bytes(evidence: Evidence) -> Iterator[Finding]:
    """Find differences of uint8 tensors, which wrap around modulo 256."""
    require_success(evidence)
    for call, source, syntax in pair_calls(evidence):
        if {tensor.dtype for tensor in call.pair} != {torch.uint8} or not image_range(call):
            continue
        numbers = numbers_from_child(partial(_bytes_and_floats, call))
        difference = _difference(syntax)
        if numbers is None or not all(map(isfinite, numbers)) or difference is None:
            continue
        wrapped, right = numbers
        if abs(wrapped - right) <= SOME * max(abs(wrapped), abs(right)):
            continue
        yield Finding(
            kind=KIND,
            message=f"`{source.text_of(difference)}` wraps around: both tensors are uint8, so "
            "1 - 2 is 255",
            evidence=f"for two images {syntax.name}() returns {wrapped:.4g}, and {right:.4g} for "
            "the same pixels as floating-point numbers",
            cause=location_in(source, difference),
            subject=syntax.name,
            confidence=8,
        )


def _bytes_and_floats(call: PairCall) -> list[float]:
    one, other = (t.to(torch.uint8) for t in images_apart(call, BYTE, 0.1))
    asked = [(other, one), (other.float(), one.float())]  # the difference is below 0
    return [number(answer(call, *pair)) for pair in asked]


def _difference(syntax: ast.FunctionDef) -> ast.BinOp | None:
    names = {one.arg for one in syntax.args.args}
    found = (n for n in ast.walk(syntax) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub))
    sides = ((n, (n.left, n.right)) for n in found)
    return next(
        (n for n, two in sides if all(isinstance(s, ast.Name) and s.id in names for s in two)), None
    )
