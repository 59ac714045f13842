"""Where a loss has the KL divergence of a normal distribution from the standard one.

The KL divergence of N(m, s) from N(0, 1) is 0.5 * (s ** 2 + m ** 2 - 1 - log(s ** 2)).
"""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name, terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

COPIES = frozenset({"clone", "contiguous", "float", "to", "expand", "view", "reshape", "squeeze"})
PASSES = 4  # backward passes that are looked at
STEPS = 8  # operators between an exponential and its argument


class Power(NamedTuple):
    """The exponential of a multiple of a value."""

    base: Value
    multiple: float


class Divergence(NamedTuple):
    """A divergence from a normal distribution, as a part of a loss.

    `variance` is what stands for the variance in it. `factor` is below 0 if the loss falls where
    the divergence grows. `path` are the operators that all of its terms go through.
    """

    variance: Power
    exponential: Operator
    factor: float
    path: tuple[Operator, ...]


def divergences(evidence: Evidence) -> Iterator[Divergence]:
    """Yield the divergences in the first losses of a program."""
    exponents = {
        value
        for operator in evidence.record.operators
        if plain_name(operator) in {"exp", "log"}
        for value in operator.inputs
    }
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        yield from _of_loss(evidence, backward, exponents)


def _of_loss(
    evidence: Evidence, backward: BackwardPass, exponents: set[Value]
) -> Iterator[Divergence]:
    """Yield the divergences among the terms of one loss."""
    found = [term for root in backward.roots for term in terms(evidence, root, exponents)]
    for term in found:
        power = power_of(evidence, term.value)
        operator = evidence.record.producer(term.value)
        if power is None or operator is None or not operator.places:
            continue
        logarithm = next((t for t in found if _is_logarithm(evidence, t, term, power)), None)
        square = next((t for t in found if _is_square(evidence, t, term)), None)
        if logarithm is None or square is None:
            continue
        path = _common(term.path, logarithm.path, square.path)
        yield Divergence(power, operator, term.factor, path)


def _is_logarithm(evidence: Evidence, one: Term, term: Term, power: Power) -> bool:
    """Return whether a term is minus the logarithm of another one."""
    base, multiple = _multiple(evidence, one.value)
    maker = evidence.record.producer(base)
    if maker is not None and plain_name(maker) == "log" and maker.inputs:
        inner = power_of(evidence, maker.inputs[0])
        base, multiple = (inner.base, multiple * inner.multiple) if inner else (base, multiple)
    same = base is power.base
    return same and isclose(one.factor * multiple, -term.factor * power.multiple, rel_tol=1e-3)


def _is_square(evidence: Evidence, one: Term, term: Term) -> bool:
    """Return whether a term is the square of another value, with the same factor."""
    operator = evidence.record.producer(one.value)
    if operator is None or not isclose(one.factor, term.factor, rel_tol=1e-3):
        return False
    return _squared(operator) is not None and power_of(evidence, one.value) is None


def _squared(operator: Operator) -> Value | None:
    """Return what an operator returns the square of."""
    name, inputs = plain_name(operator), operator.inputs
    twice = name == "mul" and len(inputs) == 2 and inputs[0] is inputs[1]  # noqa: PLR2004  (a square)
    power = name == "pow" and number_in(operator) == 2  # noqa: PLR2004  (a square)
    return inputs[0] if inputs and (twice or power or name == "square") else None


def power_of(evidence: Evidence, value: Value) -> Power | None:
    """Return what a value is the exponential of, through squares and roots."""
    factor = 1.0
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        if plain_name(operator) == "exp":
            base, multiple = _multiple(evidence, operator.inputs[0])
            return Power(base, multiple * factor)
        if _squared(operator) is not None:
            factor *= 2
        elif plain_name(operator) == "sqrt":
            factor /= 2
        elif operator.name not in COPIES:
            return None
        value = operator.inputs[0]
    return None


def _multiple(evidence: Evidence, value: Value) -> tuple[Value, float]:
    """Return what a value is a multiple of, and how often."""
    factor = 1.0
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or len(operator.inputs) != 1:
            break
        name, number = plain_name(operator), number_in(operator)
        if name in {"mul", "div"} and number:
            factor *= number if name == "mul" else 1 / number
        elif name == "neg":
            factor = -factor
        elif operator.name not in COPIES:
            break
        value = operator.inputs[0]
    return value, factor


def _common(*paths: tuple[Operator, ...]) -> tuple[Operator, ...]:
    """Return the operators that several paths begin with."""
    found = []
    for step in zip(*paths, strict=False):
        if any(one is not step[0] for one in step):
            break
        found.append(step[0])
    return tuple(one for one in found if one.places)
