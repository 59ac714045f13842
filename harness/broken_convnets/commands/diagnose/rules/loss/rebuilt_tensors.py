"""Terms of a loss are computed from outputs, not from new tensors with the numbers of outputs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.sites import (
    assigned_name,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

MAKERS = frozenset({"from_numpy", "tensor", "as_tensor", "Tensor", "FloatTensor"})
STEPS = 3  # backward passes with such a term, at least


class Rebuilt(NamedTuple):
    """A statement that makes a new tensor of the numbers of an output, and its variable."""

    source: Source
    statement: ast.Assign
    name: str


@rule(
    "a term of the loss is computed from outputs that have a graph",
    stays_quiet="unless a term without a graph is computed from a variable to which a statement "
    "assigns a new tensor with the numbers of an output, in each of several steps; about outputs "
    "of networks that no optimizer trains, such as teachers",
)
def term_of_rebuilt_tensors(evidence: Evidence) -> Iterator[Finding]:
    """Find a triplet loss of `torch.from_numpy(out.data.numpy()[hard])`."""
    require_success(evidence)
    rebuilt = _rebuilt(evidence)
    found: dict[ast.Assign, list[tuple[Term, Rebuilt]]] = {}
    for backward in evidence.record.backward_passes if rebuilt else ():
        for term in (one for root in backward.roots for one in terms(evidence, root)):
            constant = not term.value.requires_grad and term.value.shape == ()
            maker = _maker(evidence, term, rebuilt) if constant and term.path else None
            if maker is not None and term.factor > 0:
                found.setdefault(maker.statement, []).append((term, maker))
    for each in found.values():
        if len(each) >= STEPS:
            yield _finding(*each[0], len(each))
            return


def _rebuilt(evidence: Evidence) -> list[Rebuilt]:
    """Return the statements that turn an output with a graph into numbers and a new tensor."""
    found: dict[ast.Assign, Rebuilt] = {}
    for operator in evidence.record.operators:
        if operator.name not in CUTS or not operator.places or not operator.inputs:
            continue
        value, source = operator.inputs[0], evidence.source(operator.places[0].file)
        node = source.expression_at(operator.places[0]) if source else None
        if source is None or node is None or not _is_trained(evidence, value):
            continue
        outer = [one for one in source.ancestors(node) if isinstance(one, ast.Call)]
        statement = source.statement_of(node)
        made = any(called_name(one) in MAKERS for one in outer)
        if made and isinstance(statement, ast.Assign) and assigned_name(source, statement):
            found[statement] = Rebuilt(source, statement, assigned_name(source, statement))
    return list(found.values())


def _is_trained(evidence: Evidence, value: Value) -> bool:
    """Return whether a value has a graph with parameters that an optimizer has."""
    if not value.requires_grad or not evidence.flow.depends_on_network(value):
        return False
    known = evidence.flow.ancestors([value])
    held = {n for one in evidence.record.built_optimizers for n in one.parameters}
    return any(
        not held.isdisjoint(one.parameters) and not known.isdisjoint(one.returned)
        for one in evidence.record.passes
    )


def _maker(evidence: Evidence, term: Term, rebuilt: list[Rebuilt]) -> Rebuilt | None:
    """Return the first statement whose variable a term is computed from."""
    known = evidence.flow.ancestors([term.value])
    makers = [o for v in known if (o := evidence.record.producer(v)) is not None]
    return next((one for one in rebuilt if any(_reads(one, maker) for maker in makers)), None)


def _reads(rebuilt: Rebuilt, operator: Operator) -> bool:
    """Return whether the expression of an operator has the variable, in the same function."""
    source = rebuilt.source
    for place in operator.places:
        node = source.expression_at(place) if place.file == source.path else None
        if node is None or source.function_of(node) is not source.function_of(rebuilt.statement):
            continue
        parts = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute))
        if any(source.text_of(part) == rebuilt.name for part in parts):
            return True
    return False


def _finding(term: Term, rebuilt: Rebuilt, count: int) -> Finding:
    use = next((one for one in term.path if one.places), term.path[0])
    text = rebuilt.source.text_of(rebuilt.statement.value)
    number = "" if term.value.scalar is None else f", {term.value.scalar:.3g} here,"
    where = f" in `{use.places[0].text}`" if use.places else ""
    return Finding(
        kind="training/graph_detached",
        message="a term of the loss trains nothing: it is computed from a new tensor with the "
        "numbers of an output",
        evidence=f"`{text}` has no graph, and the term{number} is added{where} in {count} steps; "
        "index the output itself",
        violates=(Law.GRADIENTS_MATCH_LOSS,),
        cause=location_in(rebuilt.source, rebuilt.statement),
        symptom=location(use.places),
        subject=text,
        confidence=6,
    )
