"""The terms that are added up to a loss, each with its factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PLAIN = {
    **dict.fromkeys(("radd", "iadd"), "add"),
    **dict.fromkeys(("isub", "subtract"), "sub"),
    **dict.fromkeys(("rmul", "imul", "multiply"), "mul"),
    **dict.fromkeys(("truediv", "itruediv", "true_divide", "divide"), "div"),
    **dict.fromkeys(("rtruediv", "rdiv"), "rdiv"),
    "negative": "neg",
}
SIGNS = {"add": 1, "sub": -1, "neg": -1, "rsub": -1}  # of what is added second
REDUCTIONS = frozenset({"sum", "mean"})
STEPS = 80  # operators of one loss, at most


@dataclass(frozen=True)
class Term:
    """A value that is part of a sum, and what it is multiplied by on the way there.

    Divisions by sums and means are left out of `factor`. `path` are the operators between the sum
    and the value, those next to the sum first. `weights` are the tensors without a gradient that
    it is multiplied by; their numbers are part of the factor if they are known.
    """

    value: Value
    factor: float = 1.0
    path: tuple[Operator, ...] = ()
    weights: tuple[Value, ...] = ()

    def times(self, value: Value, factor: float, operator: Operator) -> Term:
        """Return the term that an operator multiplies by a number, and adds to the sum."""
        return replace(self, value=value, factor=self.factor * factor, path=(*self.path, operator))


def plain_name(operator: Operator) -> str:
    """Return the name of an operator, however it was called: `__iadd__` and `add_` are `add`."""
    name = operator.name.strip("_")
    return PLAIN.get(name, name)


def number_in(operator: Operator) -> float | None:
    """Return the number that a binary operator has beside a tensor; None if it has none."""
    found = operator.literals.get(1, operator.literals.get("other"))
    if not isinstance(found, int | float) or isinstance(found, bool):
        return None
    return float(found)


def terms(
    evidence: Evidence, total: Value, leaves: AbstractSet[Value] = frozenset()
) -> Iterator[Term]:
    """Yield what was added up to a value, through sums and means over a batch.

    Values in `leaves`, and those without a gradient, are not taken apart.
    """
    waiting = [Term(total)]
    for _ in range(STEPS):
        if not waiting:
            return
        term = waiting.pop()
        closed = term.value in leaves or not term.value.requires_grad
        parts = [] if closed else _parts(evidence, term)
        if not parts:
            yield term
        waiting += reversed(parts)


def _parts(evidence: Evidence, term: Term) -> list[Term]:
    """Return the terms that one term is the sum of; nothing if it is not a sum or a multiple."""
    operator = evidence.record.producer(term.value)
    if operator is None or not operator.inputs:
        return []
    name, inputs = plain_name(operator), operator.inputs
    if name in SIGNS:
        alpha = float(operator.literals.get("alpha", 1))
        first = 1 if name in {"add", "sub"} else -1
        factors = (first, *[SIGNS[name] * alpha for _ in inputs[1:]])
        return [term.times(v, f, operator) for v, f in zip(inputs, factors, strict=True)]
    if name in {"mul", "div"}:
        return _scaled(term, operator, name)
    if name in REDUCTIONS:
        return [term.times(inputs[0], 1, operator)]
    if operator.name in TRANSPARENT and len(inputs) == 1:
        return _parts(evidence, term.times(inputs[0], 1, operator))
    return []


def _scaled(term: Term, operator: Operator, name: str) -> list[Term]:
    """Return the term that is multiplied or divided by a number."""
    number = number_in(operator)
    if len(operator.inputs) == 1 and number:
        factor = number if name == "mul" else 1 / number
        return [term.times(operator.inputs[0], factor, operator)]
    both = name == "mul" and len(operator.inputs) == 2  # noqa: PLR2004  (two factors)
    return _weighted(term, operator) if both else []


def _weighted(term: Term, operator: Operator) -> list[Term]:
    """Return the term that is multiplied by a tensor without a gradient."""
    for value, weight in (operator.inputs, operator.inputs[::-1]):
        if value.requires_grad and not weight.requires_grad:
            number = 1.0 if weight.scalar is None else weight.scalar
            one = term.times(value, number, operator)
            return [replace(one, weights=(*term.weights, weight))]
    return []
