"""Graphs of finished steps are freed."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    Site,
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
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

SUMS = frozenset({"add", "add_", "__add__", "__iadd__", "__radd__"})
JOINS = frozenset({"cat", "stack", "concat", "vstack", "hstack"})
LINKS = 2  # of a chain of sums, one per step
KEPT = 4  # losses, at least
SHARE = 0.8  # of all losses


@rule(
    "sums over several steps do not keep their graphs",
    stays_quiet="about sums that a backward pass depends on",
)
def sum_keeps_graphs(evidence: Evidence) -> Iterator[Finding]:
    """Find totals, such as an epoch's loss, that keep the graph of every step alive."""
    by_place: dict[Place, list[Operator]] = {}
    for operator in evidence.record.operators:
        if operator.name in SUMS and operator.place and operator.grad_enabled:
            by_place.setdefault(operator.place, []).append(operator)
    for place, operators in by_place.items():
        links = _links(evidence, operators)
        if links < LINKS:
            continue
        site = _statement(evidence, place)
        yield Finding(
            rule="sum_keeps_graphs",
            kind="memory/loss_accumulation",
            message="the sum keeps the graph of every step, so memory grows with the run",
            evidence=f"{links + 1} results in a row require gradients, with backward passes in "
            "between, and no backward pass uses the sum",
            violates=(Law.MEMORY_FLAT,),
            cause=location((place,)),
            subject=place.text,
            cases=("memory/loss_sum_keeps_graph",),
            candidates=_plain_numbers(*site) if site else (),
            confidence=8,
        )


def _links(evidence: Evidence, operators: list[Operator]) -> int:
    """Return how often a sum continues the one before it, of an earlier step."""
    return sum(
        1
        for earlier, later in pairwise(operators)
        if later.moment.backward_passes > earlier.moment.backward_passes
        and any(v.requires_grad and v in later.inputs for v in earlier.outputs)
        and any(v.requires_grad for v in later.outputs)
        and not any(v in evidence.flow.reaching_backward for v in later.outputs)
    )


def _statement(evidence: Evidence, place: Place) -> tuple[Source, ast.stmt] | None:
    source = evidence.source(place.file)
    statement = source.statement_at(place.line) if source else None
    return (source, statement) if source and statement else None


def _plain_numbers(source: Source, statement: ast.stmt) -> tuple[Candidate, ...]:
    """Return the changes that add a number, or a tensor without its graph."""
    added: ast.expr | None = None
    if isinstance(statement, ast.AugAssign):
        added = statement.value
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        added = statement.value.right
    if added is None:
        return ()
    text = source.text_of(added)
    simple = isinstance(added, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    text = text if simple else f"({text})"
    return candidates(
        (0, lambda: edits.replace(source, [(added, f"{text}.item()")])),
        (1, lambda: edits.replace(source, [(added, f"{text}.detach()")])),
    )


@rule(
    "losses of earlier steps are freed, or kept without their graphs",
    stays_quiet="unless nearly all losses of at least four steps are still alive at the end",
)
def kept_losses(evidence: Evidence) -> Iterator[Finding]:
    """Find lists of losses that keep every graph alive."""
    require_success(evidence)
    counts = evidence.record.kept_graphs
    last = counts.latest or 0
    if last < KEPT or last < SHARE * (min(counts.count, 64) - 1):
        return
    backward = next(iter(evidence.record.backward_passes))
    found = _appended_loss(evidence, backward.places)
    cause = location_in(found[0], found[1]) if found else location(backward.places)
    yield Finding(
        rule="kept_losses",
        kind="memory/loss_accumulation",
        message="the losses of all steps are kept with their graphs, so memory grows with the run",
        evidence=f"{last} losses of earlier backward passes are still alive at the last one",
        violates=(Law.MEMORY_FLAT,),
        cause=cause,
        subject=backward.places[0].text if backward.places else "",
        cases=("memory/loss_sum_keeps_graph",),
        candidates=_appends_numbers(*found) if found else (),
        confidence=7,
    )


def _appended_loss(evidence: Evidence, places: tuple[Place, ...]) -> tuple[Source, ast.expr] | None:
    """Return the argument of append() that is what backward() is called on."""
    site = site_of(evidence, places)
    if site is None:
        return None
    scope = site.source.function_of(site.call) or site.source.tree
    for node in ast.walk(scope):
        if not isinstance(node, ast.Call) or called_name(node) != "append" or not node.args:
            continue
        if site.source.text_of(node.args[0]) == site.receiver:
            return site.source, node.args[0]
    return None


def _appends_numbers(source: Source, kept: ast.expr) -> tuple[Candidate, ...]:
    text = source.text_of(kept)
    return candidates(
        (0, lambda: edits.replace(source, [(kept, f"{text}.item()")])),
        (1, lambda: edits.replace(source, [(kept, f"{text}.detach()")])),
    )


@rule(
    "forward passes in eval mode that no backward pass follows build no graph",
    stays_quiet="about outputs that a backward pass depends on, programs that compute gradients of "
    "inputs, and single passes; in programs that do not train, about outputs that are not joined",
)
def inference_keeps_graphs(evidence: Evidence) -> Iterator[Finding]:
    """Find evaluations that join outputs with their graphs: no_grad() is missing."""
    require_success(evidence)
    record = evidence.record
    if any(b.kind == "grad" for b in record.backward_passes):
        return
    passes = [p for p in record.passes if not p.training and p.grad_enabled and p.parameters]
    passes = [p for p in passes if p.whole and not evidence.flow.is_in_loss(p)]
    joined = _joined(evidence, passes)
    repeated = joined.places if joined else _validation(evidence, passes)
    if not repeated:
        return
    site = site_of(evidence, passes[0].places)
    yield Finding(
        rule="inference_keeps_graphs",
        kind="memory/missing_no_grad",
        message="inference builds a graph: it does not run under torch.no_grad()",
        evidence=f"outputs of {len(passes)} forward passes in eval mode require gradients, and no "
        "backward pass uses them",
        violates=(Law.INFERENCE_BUILDS_NO_GRAPH,),
        cause=location(passes[0].places),
        symptom=location(repeated),
        subject=passes[0].places[0].text if passes[0].places else "",
        cases=("memory/missing_no_grad_at_inference",),
        candidates=_without_grad(site) if site else (),
        confidence=6,
    )


def _joined(evidence: Evidence, passes: list[ForwardPass]) -> Operator | None:
    """Return an operator that joins outputs of at least two passes, with their graphs."""
    ancestors = {id(p): set(p.returned) for p in passes}
    joins = [o for o in evidence.record.operators if o.name in JOINS and not o.layer]
    for operator in joins if passes else ():
        before = evidence.flow.ancestors(operator.inputs)
        sources = [p for p in passes if ancestors[id(p)] & before]
        places = {p.places[:1] for p in sources}
        if len(sources) > 1 and len(places) == 1 and any(v.requires_grad for v in operator.outputs):
            return operator
    return None


def _validation(evidence: Evidence, passes: list[ForwardPass]) -> tuple[Place, ...]:
    """Return where a network that trains is called repeatedly after eval(), with a graph."""
    steps = {number for step in evidence.record.optimizer_steps for number in step.parameters}
    evals = [c.module for c in evidence.record.mode_changes if not c.training]
    by_place: dict[Place, int] = {}
    for one in passes:
        evaluated = any(module is one.network for module in evals)
        graph = any(value.requires_grad for value in one.returned)
        if evaluated and graph and one.places and steps & set(one.parameters):
            by_place[one.places[0]] = by_place.get(one.places[0], 0) + 1
            if by_place[one.places[0]] > 1:
                return one.places
    return ()


def _without_grad(site: Site) -> tuple[Candidate, ...]:
    source, function = site.source, site.source.function_of(site.call)
    attempts = [(0, lambda: edits.wrap(source, site.outermost, "with torch.no_grad():"))]
    if function is not None:
        attempts.append((1, lambda: edits.insert_before(source, function, "@torch.no_grad()")))
    return candidates(*attempts)
