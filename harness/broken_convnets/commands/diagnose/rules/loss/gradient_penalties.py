"""A penalty on gradients has a gradient itself: torch.autograd.grad must build its graph."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

POSITION = 4  # of `create_graph` in torch.autograd.grad
STEPS = 40  # operators between a gradient and the term of the loss


@rule(
    "a term of the loss that is computed from gradients has a gradient",
    stays_quiet="about gradients of parameters, gradients that are detached or used without a "
    "graph on purpose, and those that change an input or a weight",
)
def penalty_without_graph(evidence: Evidence) -> Iterator[Finding]:
    """Find gradient penalties of torch.autograd.grad without create_graph=True."""
    if not any(one.kind == "grad" for one in evidence.record.backward_passes):
        return
    seen: set[object] = set()
    for backward in evidence.record.backward_passes:
        found = [term for root in backward.roots for term in terms(evidence, root)]
        for term in found:
            constant = not term.value.requires_grad and term.value.shape == ()
            gradient = _gradient(evidence, term.value) if constant else None
            if gradient is None or gradient.place in seen or not term.path[-1:]:
                continue
            seen.add(gradient.place)
            yield _finding(evidence, gradient, term.path[-1], term.value)


def _finding(evidence: Evidence, gradient: Operator, use: Operator, value: Value) -> Finding:
    number = "" if value.scalar is None else f", {value.scalar:.3g} here,"
    return Finding(
        kind="training/graph_detached",
        message="the gradient penalty has no gradient: torch.autograd.grad was called without "
        "create_graph=True",
        evidence=f"the term{number} is added to the loss in {use.places[0].text}, and is a "
        "constant for backward()",
        cause=location(gradient.places),
        symptom=location(use.places),
        subject=gradient.places[0].text,
        cases=("training/loss_term_under_no_grad",),
        candidates=_with_graph(evidence, gradient),
        confidence=8,
    )


def _gradient(evidence: Evidence, value: Value) -> Operator | None:
    """Return the call of torch.autograd.grad, without a graph, that a value was computed from."""
    waiting = [value]
    known: set[Value] = set()
    for _ in range(STEPS):
        if not waiting:
            return None
        one = waiting.pop()
        operator = None if one in known or one.requires_grad else evidence.record.producer(one)
        known.add(one)
        if operator is None:
            continue
        if operator.name == "grad":
            return operator if _lacks_graph(operator) else None
        if operator.name in CUTS or not operator.grad_enabled:
            return None
        waiting += operator.inputs
    return None


def _lacks_graph(operator: Operator) -> bool:
    of_parameters = any(one.parameter for one in operator.inputs)
    created = operator.literals.get("create_graph", operator.literals.get(POSITION, False))
    return bool(operator.places) and not created and not of_parameters and operator.grad_enabled


def _with_graph(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, operator.places)
    if site is None or not site.called.endswith("grad"):
        return ()
    change = partial(edits.set_argument, site.source, site.call, "create_graph", POSITION, "True")
    return candidates((0, change))
