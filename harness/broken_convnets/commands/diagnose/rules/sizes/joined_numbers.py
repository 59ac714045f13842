"""Tensors without a dimension are stacked, not concatenated."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import failed_operator
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

JOINS = {"cat", "concat", "concatenate"}


@rule(
    "tensors that are concatenated have a dimension",
    stays_quiet="about lists in which only some tensors have no dimension",
)
def numbers_concatenated(evidence: Evidence) -> Iterator[Finding]:
    """Find torch.cat of losses or other tensors of one number each."""
    frame = require_failure(evidence, RuntimeError)
    operator, call = failed_operator(evidence), frame.call
    if operator is None or call is None or called_name(call) not in JOINS:
        return
    if "zero-dimensional tensor" not in evidence.message or any(v.shape for v in operator.inputs):
        return
    text = shortened(frame.source.text_of(call.args[0])) if call.args else "the tensors"
    function = call.func
    new = "stack"
    if isinstance(function, ast.Attribute):
        new = f"{frame.source.text_of(function.value)}.stack"
    yield Finding(
        kind="shape",
        message=f"`{text}` are tensors of one number each, which have no dimension to "
        "concatenate along",
        evidence=f"the {len(operator.inputs)} tensors have shape []; torch.stack makes a new "
        "dimension",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.replace, frame.source, [(function, new)]))),
        confidence=10,
    )
