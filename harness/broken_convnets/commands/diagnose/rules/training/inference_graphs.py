"""Inference builds no graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.predicting import (
    returns_output,
    switches_to_eval,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    Site,
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

JOINS = frozenset({"cat", "stack", "concat", "vstack", "hstack"})


@rule(
    "forward passes in eval mode that no backward pass follows build no graph",
    stays_quiet="about outputs that a backward pass depends on, programs that compute gradients of "
    "inputs, and single passes; in programs that do not train, about outputs that are not joined, "
    "unless a function that is given the network calls eval() and returns them",
)
def inference_keeps_graphs(evidence: Evidence) -> Iterator[Finding]:
    """Find evaluations that join outputs with their graphs: no_grad() is missing."""
    require_success(evidence)
    record = evidence.record
    if any(b.kind == "grad" for b in record.backward_passes):
        return
    passes = [p for p in record.passes if not p.training and p.grad_enabled and p.parameters]
    passes = [p for p in passes if p.whole and not evidence.flow.is_in_loss(p)]
    passes = followed(evidence, passes)
    joined = _joined(evidence, passes)
    repeated = joined.places if joined else _validation(evidence, passes)
    repeated = repeated or _predictions(evidence, passes)
    if not repeated:
        return
    site = site_of(evidence, passes[0].places)
    yield Finding(
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


def followed(evidence: Evidence, passes: list[ForwardPass]) -> list[ForwardPass]:
    """Return the passes up to whose next one, of the same network, no operator is left out."""
    operators = evidence.record.operators
    every = evidence.record.passes
    begins = {(id(p.network), p.number): p.moment.operators for p in every}
    ends = [begins.get((id(p.network), p.number + 1), operators.count) for p in passes]
    return [
        one
        for one, end in zip(passes, ends, strict=True)
        if all(end <= first or one.moment.operators >= last for first, last in operators.gaps)
    ]


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


def _predictions(evidence: Evidence, passes: list[ForwardPass]) -> tuple[Place, ...]:
    """Return where a function switches a network to eval mode, and returns outputs with graphs.

    Not of a program that goes back through any graph.
    """
    for one in passes if not evidence.record.backward_passes.count else ():
        graph = any(v.requires_grad for v in one.returned)
        given = any(v.requires_grad for v in one.received)
        predicts = switches_to_eval(evidence, one) and returns_output(evidence, one)
        if graph and not given and predicts:
            return one.places
    return ()


def _without_grad(site: Site) -> tuple[Candidate, ...]:
    source, function = site.source, site.source.function_of(site.call)
    attempts = [(0, lambda: edits.wrap(source, site.outermost, "with torch.no_grad():"))]
    if function is not None:
        attempts.append((1, lambda: edits.insert_before(source, function, "@torch.no_grad()")))
    return candidates(*attempts)
