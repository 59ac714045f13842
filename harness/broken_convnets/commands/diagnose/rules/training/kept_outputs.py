"""Outputs of training steps that are kept for a metric have no graph."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.inference_graphs import JOINS
from broken_convnets.commands.diagnose.sites import (
    assigned_name,
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator

KEPT = 4  # outputs, at least, that are alive although nothing joins them
SHARE = 0.8  # of all outputs
COLLECTING = frozenset({"append", "extend", "insert", "add"})


@rule(
    "outputs of finished training steps are freed, or kept without their graphs",
    stays_quiet="about outputs that a later backward pass depends on, and unless they are joined "
    "or nearly all outputs of at least four steps are alive",
)
def kept_outputs(evidence: Evidence) -> Iterator[Finding]:
    """Find outputs that a training loop collects for a metric together with their graphs."""
    require_success(evidence)
    trained = [p for p in evidence.record.passes if p.whole and evidence.flow.is_in_loss(p)]
    join = _join(evidence, trained)
    latest = evidence.record.kept_outputs.latest
    alive = latest is not None and latest.alive >= max(KEPT, SHARE * latest.of)
    if not trained or not (join or alive):
        return
    count = latest.alive if latest and not join else len(trained)
    found = _collected(evidence, trained[-1])
    yield Finding(
        kind="memory/outputs_kept_with_graph",
        message="the outputs of all training steps are kept with their graphs, so memory grows",
        evidence=f"{join.name} joins outputs of earlier steps, its result requires gradients, and "
        "no backward pass uses it"
        if join
        else f"{count} outputs of steps before the last one are alive and refer to their graphs",
        violates=(Law.MEMORY_FLAT,),
        cause=location_in(*found) if found else location(join.places if join else ()),
        symptom=location(join.places) if join else None,
        subject=found[0].text_of(found[1]) if found else "outputs",
        cases=("memory/outputs_kept_with_graph",),
        candidates=_detached(*found) if found else (),
        confidence=7,
    )


def _join(evidence: Evidence, trained: list[ForwardPass]) -> Operator | None:
    """Return an operator that joins outputs of several finished steps with their graphs."""
    begins = {value: p.moment.optimizer_steps for p in trained for value in p.returned}
    for operator in evidence.record.operators:
        graph = any(value.requires_grad for value in operator.outputs)
        if operator.name not in JOINS or operator.layer or not graph or len(operator.inputs) < 2:  # noqa: PLR2004  (of several)
            continue
        if not evidence.flow.reaching_backward.isdisjoint(operator.outputs):
            continue
        inputs = [value for value in operator.inputs if value.requires_grad]
        steps = {begins[v] for one in inputs for v in evidence.flow.ancestors([one]) if v in begins}
        if len(steps) == len(inputs) > 1 and min(steps) < operator.moment.optimizer_steps:
            return operator
    return None


def _collected(evidence: Evidence, forward: ForwardPass) -> tuple[Source, ast.expr] | None:
    """Return what the program adds to a collection after a forward pass, from its output."""
    for place in forward.places:
        site = site_of(evidence, (place,))
        if site is None:
            continue
        name = assigned_name(site.source, site.statement)
        for node in ast.walk(site.source.function_of(site.call) or site.source.tree):
            if not isinstance(node, ast.Call) or called_name(node) not in COLLECTING:
                continue
            for kept in node.args[-1:]:
                parts = list(ast.walk(kept))
                if site.call in parts or (name and _names(site.source, parts, name)):
                    return site.source, kept
    return None


def _names(source: Source, parts: list[ast.AST], name: str) -> bool:
    texts = (source.text_of(part) for part in parts if isinstance(part, ast.Name | ast.Attribute))
    return name in texts


def _detached(source: Source, kept: ast.expr) -> tuple[Candidate, ...]:
    text = f"{source.text_of(kept)}.detach()"
    if not isinstance(kept, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        return ()
    return candidates((0, partial(edits.replace, source, [(kept, text)])))
