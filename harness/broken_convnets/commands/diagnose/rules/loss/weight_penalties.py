"""A penalty on weights that is added to a loss has a gradient: it is not computed from `.data`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.analysis.no_grad_blocks import NO_GRAD, no_grad_block
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.constant_terms import with_gradients
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.rules.structure.own_updates import computes_with_gradients
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PASSES = 4  # backward passes that are looked at
STEPS = 2_000  # operators of one penalty, at most
COPIES = CUTS | {"tensor", "as_tensor", "new_tensor"}
NUMBERS = frozenset({"tensor", "zeros", "zeros_like", "ones", "full", "as_tensor", "new_zeros"})
FEW = 3  # names of parameters in a message


@rule(
    "a penalty on weights that is added to a loss has a gradient",
    stays_quiet="unless a term of the loss is computed from trained parameters alone, all of them "
    "without their graph; about penalties that are added with a graph, too, and where the "
    "optimizer is constructed with weight_decay, or the program computes with .grad itself",
)
def constant_weight_penalty(evidence: Evidence) -> Iterator[Finding]:
    """Find `loss + 1e-4 * sum(p.data.pow(2).sum() for p in net.parameters())`."""
    require_success(evidence)
    trained = _trained(evidence)
    seen: set[object] = set()
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        for term in (one for root in backward.roots for one in terms(evidence, root)):
            cuts = _cuts(evidence, term.value) if _is_constant(term) else []
            names = _names(evidence, cuts, trained)
            if not names or cuts[0].place in seen or _decays(evidence):
                continue
            seen.add(cuts[0].place)
            yield _finding(evidence, term, cuts[0], names)


def _is_constant(term: Term) -> bool:
    return not term.value.requires_grad and term.value.shape in {(), (1,)} and bool(term.path)


def _trained(evidence: Evidence) -> dict[Value, int]:
    """Return the numbers of the parameters that optimizers step, by their values."""
    record = evidence.record
    numbers = {key for step in record.optimizer_steps for key in step.parameters}
    return {value: key for key in numbers for value in record.parameters[key].values}


def _cuts(evidence: Evidence, total: Value) -> list[Operator]:
    """Return the operators that continue parameters without a graph, if a value has no other part.

    Empty if it depends on data, on an output, or on what has a graph elsewhere in the loss.
    """
    found: list[Operator] = []
    waiting, known = [total], set[object]()
    while waiting:
        value = waiting.pop()
        operator = evidence.record.producer(value)
        if value in known:
            continue
        known.add(value)
        if operator is None or len(known) > STEPS:
            return []
        graph = [one for one in operator.inputs if one.requires_grad]
        if graph and not _is_of_parameters(evidence, graph):
            return []
        if graph:
            found.append(operator)
        elif not operator.inputs and operator.name not in NUMBERS:
            return []
        waiting += [one for one in operator.inputs if not one.requires_grad]
    return sorted(found, key=lambda one: one.number)


def _is_of_parameters(evidence: Evidence, values: list[Value]) -> bool:
    """Return whether values are computed from parameters alone, and not part of a loss."""
    computed = [one for one in values if not one.parameter]
    in_loss = any(evidence.flow.backward_passes_from([one]) for one in computed)
    if in_loss or any(map(evidence.flow.depends_on_network, computed)):
        return False
    return all(map(partial(_is_known, evidence), evidence.flow.ancestors(computed)))


def _is_known(evidence: Evidence, value: Value) -> bool:
    """Return whether a value is a parameter, or no operator draws or reads it as data."""
    operator = evidence.record.producer(value)
    made = operator is not None and (operator.inputs or operator.name in NUMBERS)
    return value.parameter or bool(made)


def _names(evidence: Evidence, cuts: list[Operator], trained: dict[Value, int]) -> list[str]:
    """Return the names of the trained parameters that a penalty is computed from."""
    graph = [one for cut in cuts for one in cut.inputs if one.requires_grad]
    known = evidence.flow.ancestors(graph)
    numbers = sorted({trained[one] for one in known if one in trained})
    proper = cuts and all(one.places and _is_cut(one) for one in cuts)
    parameters = evidence.record.parameters
    return [parameters[key].name or f"parameter {key}" for key in numbers] if proper else []


def _is_cut(operator: Operator) -> bool:
    return operator.name in COPIES or not operator.grad_enabled


def _decays(evidence: Evidence) -> bool:
    """Return whether weight_decay, or the program itself, adds the gradient of the penalty."""
    if any(map(computes_with_gradients, evidence.user_sources)):
        return True
    sites = (site_of(evidence, built.places) for built in evidence.record.built_optimizers)
    texts = (site.source.text_of(site.call) for site in sites if site is not None)
    return any("weight_decay" in text for text in texts)


def _decorator(site: Site) -> Location | None:
    """Return the decorator that switches autograd off in the function around a call."""
    function = site.source.function_of(site.call)
    found = [
        one
        for one in (function.decorator_list if function else [])
        if any(name in site.source.text_of(one) for name in NO_GRAD)
    ]
    return location_in(site.source, found[0]) if found else None


def _finding(evidence: Evidence, term: Term, cut: Operator, names: list[str]) -> Finding:
    site, block = no_grad_block(evidence, cut.places)
    cause = location(cut.places)
    if cut.grad_enabled:
        block = None
    elif site and block and len(block.body) == 1:
        cause = location_in(site.source, block)
    elif site and not block:
        cause = _decorator(site) or cause
    of = ", ".join(names[:FEW]) + (f" and {len(names) - FEW} others" if len(names) > FEW else "")
    number = "" if term.value.scalar is None else f", {term.value.scalar:.3g} here,"
    use = term.path[-1]
    where = f" in {use.places[0].text}" if use.places else ""
    how = (
        "without gradients" if not cut.grad_enabled else f"without a graph ({cut.name.split()[-1]})"
    )
    return Finding(
        kind="training/graph_detached",
        message=f"the penalty on the weights trains nothing: `{cut.places[0].text}` reads them "
        f"{how}",
        evidence=f"the term{number} is computed from {of}, and is added to the loss{where} as a "
        "constant: no gradient goes back to the weights",
        violates=(Law.GRADIENTS_MATCH_LOSS,),
        cause=cause,
        symptom=location(use.places),
        subject=cut.places[0].text,
        cases=("training/loss_term_under_no_grad",),
        candidates=candidates(*with_gradients(site, block)) if site and block else (),
        confidence=8,
    )
