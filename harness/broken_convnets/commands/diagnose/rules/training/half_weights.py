"""Mixed precision keeps the weights in float32: autocast casts them by itself."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    calls_named,
    candidates,
    location,
    location_in,
    require_success,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator, OptimizerStep

HALVES = {torch.bfloat16: "bfloat16", torch.float16: "float16"}
BITS = {torch.bfloat16: 8, torch.float16: 11}  # of the significand, the implicit one included
NAMES = ("bfloat16", "float16", "half")


@rule(
    "weights that an optimizer steps under autocast are float32",
    stays_quiet="without autocast, and about weights that no optimizer steps",
)
def half_weights_in_autocast(evidence: Evidence) -> Iterator[Finding]:
    """Find networks that were converted to bfloat16, and are trained under autocast."""
    require_success(evidence)
    step = evidence.record.optimizer_steps.latest
    operator = next(_autocast(evidence), None)
    dtype = _dtype(evidence, step) if step else None
    if step is None or operator is None or dtype is None:
        return
    converted = list(_conversions(evidence))
    source, call = converted[0] if len(converted) == 1 else (None, None)
    name, least = HALVES[dtype], 2.0 ** -(BITS[dtype] + 1)
    yield Finding(
        kind="dtype/half_vs_float",
        message=f"the weights are {name} under autocast: small steps of the optimizer are lost",
        evidence=f"a {name} weight keeps {BITS[dtype]} bits, so a step below {100 * least:.2g} % "
        "of it is rounded away; autocast casts float32 weights by itself",
        cause=location_in(source, call) if source and call else location(step.places),
        symptom=location(operator.places),
        subject=name,
        candidates=candidates((0, partial(_unconverted, source, call))) if source and call else (),
        confidence=8,
    )


def _autocast(evidence: Evidence) -> Iterator[Operator]:
    """Yield layers whose float32 input met weights of half precision: only autocast allows that."""
    for operator in evidence.record.operators:
        weights = [v for v in operator.inputs if v.parameter and v.dtype in HALVES]
        others = [v for v in operator.inputs if not v.parameter and v.dtype is torch.float32]
        if weights and others and not operator.raised and operator.layer:
            yield operator


def _dtype(evidence: Evidence, step: OptimizerStep) -> torch.dtype | None:
    """Return the dtype of the parameters of a step, if it is half precision for all of them."""
    parameters = [evidence.record.parameters[number] for number in step.parameters]
    values = [one.values[-1].dtype for one in parameters if one.values]
    return values[0] if values and len(set(values)) == 1 and values[0] in HALVES else None


def _conversions(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls that ask a network for half precision."""
    for source, call in calls_named(evidence, "to", "half", "bfloat16"):
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        asked = any(source.text_of(one).endswith(NAMES) for one in arguments)
        if isinstance(call.func, ast.Attribute) and (call.func.attr in NAMES or asked):
            yield source, call


def _unconverted(source: Source, call: ast.Call) -> Patch:
    """Leave the conversion out, and what else `to` was asked for in."""
    statement, receiver = source.statement_of(call), call.func
    owner = source.text_of(receiver.value) if isinstance(receiver, ast.Attribute) else ""
    kept = [source.text_of(a) for a in call.args if not source.text_of(a).endswith(NAMES)]
    kept += [
        f"{keyword.arg}={source.text_of(keyword.value)}"
        for keyword in call.keywords
        if not source.text_of(keyword.value).endswith(NAMES)
    ]
    if kept:
        return edits.replace(source, [(call, f"{owner}.to({', '.join(kept)})")])
    if isinstance(statement, ast.Expr) and statement.value is call:
        return edits.delete(source, statement)
    return edits.replace(source, [(call, owner)])
