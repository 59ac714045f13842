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
from broken_convnets.commands.diagnose.sites import candidates, location_in, user_sources
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.losses import LossCall

MOST = 1  # sample, of a batch whose mean is the loss of the sample


@rule(
    "a sum of mean losses is divided by the number of batches",
    stays_quiet="about losses of single samples, losses that are not means, and sums of losses "
    "that are multiplied by the size of their batch",
)
def mean_losses_divided_by_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find `total += loss.item()` with a division of the total by `len(loader.dataset)`."""
    for source in user_sources(evidence):
        for growth in source.statements:
            loops = source.loops_around(growth)
            if not isinstance(growth, ast.AugAssign) or not isinstance(growth.op, ast.Add):
                continue
            call = _mean_loss(evidence, source, growth) if loops else None
            if call is None or not isinstance(loops[0], ast.For):
                continue
            batches, name = source.text_of(iterated(loops[0].iter)), source.text_of(growth.target)
            for node in own_nodes(scope_of(source, growth)):
                division = division_of(source, node, name)
                if division is None or not _counts_samples(source, division.divisor, batches):
                    continue
                size = call.operator.inputs[0].shape[0]
                divisor = source.text_of(division.divisor)
                text = f"len({batches})"
                yield Finding(
                    rule="mean_losses_divided_by_samples",
                    kind="loss/broadcast_metric",
                    message=f"{name} adds up the mean losses of batches, and is divided by the "
                    "number of samples",
                    evidence=f"{call.name} returns the mean over {size} samples, which counts as "
                    f"1 in {name} and as {size} in {divisor}",
                    cause=location_in(source, growth),
                    symptom=location_in(source, division.node),
                    subject=source.text_of(division.node),
                    candidates=candidates(
                        (0, partial(edits.replace, source, [(division.divisor, text)]))
                    ),
                    confidence=7,
                )


def _counts_samples(source: Source, divisor: ast.expr, batches: str) -> bool:
    """Return whether a divisor is the `len(loader.dataset)` of the loader that is iterated."""
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
    lines = range(value.lineno, (value.end_lineno or value.lineno) + 1)
    found = (
        call
        for call in evidence.record.losses
        if any(p.file == source.path and p.line in lines for p in call.operator.places[:1])
    )
    call = next(found, None)
    return call if call is not None and _is_mean(call) else None


def _is_mean(call: LossCall) -> bool:
    """Return whether a loss is the mean over several samples."""
    inputs, outputs = call.operator.inputs, call.operator.outputs
    if not inputs or not inputs[0].shape or not outputs or outputs[0].shape:
        return False
    reduction = call.operator.literals.get("reduction", "mean")
    return reduction == "mean" and inputs[0].shape[0] > MOST
