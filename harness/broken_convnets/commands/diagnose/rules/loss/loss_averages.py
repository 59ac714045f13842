"""A reported loss is a mean over samples, or over batches, and not a mixture of both."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    assigned_value,
    division_of,
    iterated,
    own_nodes,
    scope_of,
    unwrapped,
)
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.counters import Division
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.losses import LossCall

LEGACY = ("size_average", "reduce")  # arguments from before `reduction`


@rule(
    "a sum of mean losses is divided by the number of batches",
    stays_quiet="about losses of single samples, losses that are not means, and sums or quotients "
    "that are multiplied by the size of a batch",
)
def mean_losses_divided_by_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find `total += loss.item()` with a division of the total by `len(loader.dataset)`."""
    for source, growth, call in _sums_of_means(evidence):
        loop, name = source.loops_around(growth)[0], source.text_of(growth.target)
        batches = source.text_of(iterated(loop.iter)) if isinstance(loop, ast.For) else ""
        divisions = _divided_by_samples(source, growth, name, batches)
        if not divisions:
            continue
        size, divisor = call.operator.inputs[0].shape[0], source.text_of(divisions[0].divisor)
        changes = [(division.divisor, f"len({batches})") for division in divisions]
        places = f" ({len(divisions)} divisions)" if len(divisions) > 1 else ""
        yield Finding(
            kind="loss/broadcast_metric",
            message=f"{name} adds up the mean losses of batches, and is divided by the number "
            "of samples",
            evidence=f"{call.name} returns the mean over {size} samples, which counts as 1 in "
            f"{name} and as {size} in {divisor}{places}",
            cause=location_in(source, growth),
            symptom=location_in(source, divisions[0].node),
            subject=source.text_of(divisions[0].node),
            candidates=candidates((0, partial(edits.replace, source, changes))),
            confidence=7,
        )


def _divided_by_samples(
    source: Source, growth: ast.AugAssign, name: str, batches: str
) -> list[Division]:
    """Return the divisions of a total by `len(loader.dataset)`, in the order of their lines."""
    found = (division_of(source, n, name) for n in own_nodes(scope_of(source, growth)))
    divisions = [d for d in found if d and _is_mean_of_samples(source, d, name, batches)]
    return sorted(divisions, key=lambda d: (d.node.lineno, d.node.col_offset))


def _sums_of_means(evidence: Evidence) -> Iterator[tuple[Source, ast.AugAssign, LossCall]]:
    """Yield the statements in loops that add the mean loss of a batch to a total."""
    for source in evidence.user_sources:
        additions = (n for n in source.statements if isinstance(n, ast.AugAssign))
        for growth in additions:
            if isinstance(growth.op, ast.Add) and source.loops_around(growth):
                call = _mean_loss(evidence, source, growth)
                if call is not None:
                    yield source, growth, call


def _is_mean_of_samples(source: Source, division: Division, name: str, batches: str) -> bool:
    """Return whether a division is just that of the total by `len(loader.dataset)`."""
    node, divisor = division.node, division.divisor
    if isinstance(node, ast.BinOp):
        around = next(iter(source.ancestors(node)))
        scaled = isinstance(around, ast.BinOp) and isinstance(around.op, ast.Mult)
        if scaled or source.text_of(unwrapped(node.left)) != name:
            return False
    if not isinstance(divisor, ast.Call) or called_name(divisor) != "len" or not divisor.args:
        return False
    return source.text_of(divisor.args[0]) == f"{batches}.dataset"


def _mean_loss(evidence: Evidence, source: Source, growth: ast.AugAssign) -> LossCall | None:
    """Return the call that computed the mean over a batch which a statement adds to a total."""
    value = unwrapped(growth.value)
    if isinstance(value, ast.Name):
        value = unwrapped(assigned_value(value, scope_of(source, growth)) or value)
    if not isinstance(value, ast.Call):
        return None
    for call in evidence.record.losses:
        places = [p for p in call.operator.places[:1] if p.file == source.path]
        if places and source.call_at(places[0]) is value:
            return call if _is_mean(call) else None
    return None


def _is_mean(call: LossCall) -> bool:
    """Return whether a loss is the mean over several samples."""
    inputs, outputs = call.operator.inputs, call.operator.outputs
    literals = call.operator.literals
    if not inputs or not inputs[0].shape or not outputs or outputs[0].shape:
        return False
    is_legacy = any(literals.get(name) is not None for name in LEGACY)
    is_mean = literals.get("reduction", "mean") == "mean" and not is_legacy
    return is_mean and inputs[0].shape[0] > 1
