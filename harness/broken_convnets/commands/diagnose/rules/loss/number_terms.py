"""The terms of a loss are tensors with a graph, not the numbers that item() returns."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import scope_of
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name, terms
from broken_convnets.commands.diagnose.sites import assignments, candidates, location, location_in
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

SUMS = frozenset({"add", "sub"})
NUMBERS = frozenset({"item", "__float__", "tolist"})


@rule(
    "the terms of a loss that a network computes have a graph",
    stays_quiet="about numbers that are no term of the sum, such as factors, and that item() does "
    "not read from a tensor with a graph",
)
def number_in_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find `loss = first + 0.1 * second.item()`, and float(second)."""
    read = _read_numbers(evidence)
    seen: set[object] = set()
    for operator in _sums_with_a_number(evidence) if read else ():
        place = operator.places[0]
        source = evidence.source(place.file)
        node = _sum_at(source, place) if source else None
        if source is None or node is None or place in seen:
            continue
        seen.add(place)
        for call in _calls(source, node):
            if (source.path, call.lineno) not in read:
                continue
            text = source.text_of(call)
            yield Finding(
                kind="training/graph_detached",
                message=f"a term of the loss trains nothing: `{text}` is a number",
                evidence=f"{place.text} adds the number, and backward() starts from the sum: no "
                "gradient goes back through a number",
                violates=(Law.GRADIENTS_MATCH_LOSS,),
                cause=location_in(source, call),
                symptom=location(operator.places),
                subject=text,
                cases=("training/loss_term_under_no_grad",),
                candidates=candidates(
                    (0, partial(edits.replace, source, [(call, _inner(source, call))]))
                ),
                confidence=8,
            )


def _read_numbers(evidence: Evidence) -> set[tuple[str, int]]:
    """Return the lines that read numbers of tensors with a graph that networks computed."""
    return {
        (operator.places[0].file, operator.places[0].line)
        for operator in evidence.record.operators
        if operator.name in NUMBERS | {"detach"}
        and operator.places
        and any(one.requires_grad and not one.parameter for one in operator.inputs)
    }


def _sums_with_a_number(evidence: Evidence) -> Iterator[Operator]:
    """Yield the operators that add a number to a tensor, on the way to a backward pass."""
    for backward in evidence.record.backward_passes:
        for root in backward.roots:
            for term in terms(evidence, root):
                for operator in term.path:
                    one = len(operator.inputs) == 1 and operator.places
                    if one and plain_name(operator) in SUMS:
                        yield operator


def _sum_at(source: Source, place: Place) -> ast.BinOp | ast.AugAssign | None:
    """Return the sum at a place: `loss + x`, or the statement `loss += x`."""
    node = source.expression_at(place)
    if isinstance(node, ast.BinOp):
        return node
    statement = source.statement_at(place.line)
    adds = isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add | ast.Sub)
    return statement if isinstance(statement, ast.AugAssign) and adds else None


def _calls(source: Source, total: ast.BinOp | ast.AugAssign) -> Iterator[ast.Call]:
    """Yield the calls that make numbers of the terms of a sum, also through a name."""
    for part in _terms(total.value if isinstance(total, ast.AugAssign) else total):
        known = assignments(source, source.text_of(part), scope_of(source, total))
        before = [one for one in known if one.lineno < total.lineno]
        value = max(before, key=lambda one: one.lineno).value if before else part
        for one in (value, *_added(source, total, part)):
            for item in _summed(one):
                if isinstance(item, ast.Call) and _inner(source, item):
                    yield item


def _added(source: Source, total: ast.BinOp | ast.AugAssign, part: ast.expr) -> list[ast.expr]:
    """Return what statements before a sum add to the name of one of its terms."""
    return [
        node.value
        for node in ast.walk(scope_of(source, total))
        if isinstance(node, ast.AugAssign)
        and isinstance(node.op, ast.Add)
        and node.lineno < total.lineno
        and source.text_of(node.target) == source.text_of(part)
    ]


def _summed(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a value is the sum of, also as `sum(x.item() for x in xs)`."""
    for part in _terms(node):
        inner = part.args[0] if isinstance(part, ast.Call) and part.args else None
        is_sum = isinstance(part, ast.Call) and called_name(part) == "sum"
        if is_sum and isinstance(inner, ast.GeneratorExp | ast.ListComp):
            yield from _terms(inner.elt)
        else:
            yield part


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the terms of a sum, without factors."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left)
        yield from _terms(node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield node.left
        yield node.right
    else:
        yield node


def _inner(source: Source, call: ast.Call) -> str:
    """Return the text of `x` for `x.item()`, `x.detach().item()` and `float(x)`; else nothing."""
    function = call.func
    if isinstance(function, ast.Name):
        return source.text_of(call.args[0]) if function.id == "float" and call.args else ""
    if not isinstance(function, ast.Attribute) or function.attr != "item":
        return ""
    owner = function.value
    while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
        if owner.func.attr not in {"detach", "cpu"}:
            break
        owner = owner.func.value
    return source.text_of(owner)
