"""A loss function that is added to the loss receives an output with a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name, terms
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.observe.recorder.losses import LOSSES
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SCALING = frozenset({"mul", "div", "neg", "mean", "sum"})
FACTORS = 4  # operators that scale one term, at most
STEPS = 60  # operators between an output of a network and the loss


@rule(
    "each loss function whose result is added to the loss receives an output with a graph",
    stays_quiet="about losses that have a graph in any step, that are subtracted or have a factor "
    "of 0, of a frozen network, or that are computed from data alone or inside a block without "
    "gradients",
)
def loss_of_constants(evidence: Evidence) -> Iterator[Finding]:
    """Find `criterion(net(x).detach(), y)` as a term, and a teacher compared with itself."""
    require_success(evidence)
    learning = {o.places[:1] for o in evidence.record.operators if _has_graph(o)}
    seen: set[tuple[Place, ...]] = set()
    for backward in evidence.record.backward_passes:
        for term in (one for root in backward.roots for one in terms(evidence, root)):
            if not term.path or term.factor <= 0 or term.value.requires_grad:
                continue
            loss = loss_behind(evidence, term.value)
            if loss is None or not loss.places or not loss.grad_enabled:
                continue
            if loss.places[:1] in learning | seen or _is_of_frozen(evidence, loss):
                continue
            origin = _origin(evidence, loss.inputs[0])
            if origin is not None:
                seen.add(loss.places[:1])
                yield _finding(loss, origin, term.value, term.path[-1])


def loss_behind(evidence: Evidence, value: Value) -> Operator | None:
    """Return the loss function that a number comes from, through factors and means."""
    for _ in range(FACTORS):
        operator = producer(evidence, value)
        if operator is None or operator.name in LOSSES:
            return operator
        factor = number_in(operator)
        if plain_name(operator) not in SCALING or len(operator.inputs) != 1 or factor == 0:
            return None
        value = operator.inputs[0]
    return None


def _is_of_frozen(evidence: Evidence, loss: Operator) -> bool:
    """Return whether a loss compares data with the output of a network that does not learn."""
    prediction, *targets = loss.inputs
    if any(map(evidence.flow.depends_on_network, targets)):
        return False
    known = evidence.flow.ancestors([prediction])
    passes = [one for one in evidence.record.passes if not known.isdisjoint(one.returned)]
    numbers = {number for one in passes for number in one.parameters}
    parameters = [one for one in evidence.record.parameters if one.number in numbers]
    return bool(parameters) and not any(one.ever_required_grad for one in parameters)


def _has_graph(operator: Operator) -> bool:
    return operator.name in LOSSES and any(value.requires_grad for value in operator.outputs)


def _finding(loss: Operator, origin: Operator, value: Value, use: Operator) -> Finding:
    number = "" if value.scalar is None else f", {value.scalar:.3g} here,"
    cut = origin.name in CUTS
    why = f"`{origin.places[0].text}` has no graph" if origin.places else "it has no graph"
    return Finding(
        kind="training/graph_detached",
        message=f"a term of the loss trains nothing: {loss.name} gets an output without a graph",
        evidence=f"{loss.places[0].text}{number} is added to the loss as a constant"
        f"{f' in {use.places[0].text}' if use.places else ''}: {why}"
        + (", as it is detached" if cut else ""),
        violates=(Law.GRADIENTS_MATCH_LOSS,),
        cause=location(origin.places or loss.places),
        symptom=location(loss.places),
        subject=loss.places[0].text,
        cases=("training/loss_term_under_no_grad",),
        confidence=6,
    )


def _origin(evidence: Evidence, value: Value) -> Operator | None:
    """Return what detached an output with a graph; else what computed the input of a loss.

    None if no network computed the input.
    """
    if not evidence.flow.depends_on_network(value):
        return None
    waiting = [value]
    for _ in range(STEPS):
        operator = evidence.record.producer(waiting.pop(0)) if waiting else None
        if operator is None:
            continue
        if operator.name in CUTS and any(v.requires_grad for v in operator.inputs):
            return operator if operator.places else None
        waiting += [one for one in operator.inputs if not one.requires_grad]
    found = producer(evidence, value)
    return found if found is not None and found.places else None
