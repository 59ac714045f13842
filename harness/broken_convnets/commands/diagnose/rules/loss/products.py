"""Cumulative products that are shifted by one step: the product of no factors is 1."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.diffusion import factor_of
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

JOINS = frozenset({"cat", "concat", "concatenate", "hstack"})
CONSTANTS = frozenset({"ones_like", "zeros_like", "full_like", "new_zeros", "new_ones", "new_full"})
WHOLE = frozenset({torch.bool, torch.uint8, torch.int32, torch.int64})  # of masks
PAIR = 2
DEPTH = 4  # products inside products


@dataclass(frozen=True)
class Shifted:
    """A cumulative product without its first or its last element, and a number in its place."""

    operator: Operator
    product: Value
    number: float
    in_front: bool  # whether the number comes first, and the last element is left out


@rule(
    "the number before the first cumulative product is 1, and none behind the last one is 1",
    stays_quiet="unless a cumulative product of floating-point numbers is shortened by one element "
    "and padded or joined with a constant; about a constant of 1 in front, or below 1 at the end, "
    "and masks",
)
def product_of_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Find `F.pad(alphas_cumprod[:-1], (1, 0))`, which pads with 0."""
    require_success(evidence)
    seen: set[Place] = set()
    for one in _shifted(evidence):
        place = one.operator.places[0]
        used = evidence.flow.consumers(one.operator.outputs[0])
        if (one.number == 1) is one.in_front or not used or place in seen:
            continue
        seen.add(place)
        if one.in_front:
            message = f"the product before the first step is {one.number:.3g}, and not 1"
            why = (
                "puts it in front of the cumulative product: no factor has been multiplied yet, so "
                "that the share of the signal there is 1, and the variance 1 - 1 = 0"
            )
        else:
            message = "a cumulative product ends with 1, as if no factor had been multiplied"
            why = (
                "puts 1 behind the last cumulative product; the previous products are those "
                "without the last one, with 1 in front"
            )
        yield Finding(
            kind="loss/wrong_loss",
            message=message,
            evidence=f"`{place.text}` {why}",
            cause=location(one.operator.places),
            subject=place.text,
            confidence=7,
        )


@rule(
    "the variance of a diffusion step is beta * (1 - previous product) / (1 - product)",
    stays_quiet="unless 1 - a cumulative product is divided by 1 - the same product of the step "
    "before",
)
def posterior_variance_upside_down(evidence: Evidence) -> Iterator[Finding]:
    """Find `betas * (1 - alphas_cumprod) / (1 - alphas_cumprod_prev)`."""
    require_success(evidence)
    before = {one.operator.outputs[0]: one for one in _shifted(evidence) if one.in_front}
    for operator in evidence.record.operators if before else ():
        if plain_name(operator) != "div" or len(operator.inputs) != PAIR or not operator.places:
            continue
        below = factor_of(evidence, operator.inputs[1])
        shifted = before.get(below.base)
        if shifted is None or not below.complement:
            continue
        above = [factor_of(evidence, one) for one in _factors(evidence, operator.inputs[0], DEPTH)]
        if any(one.complement and one.base is shifted.product for one in above):
            yield Finding(
                kind="loss/wrong_loss",
                message="the variance of a denoising step is upside down: 1 - the previous "
                "cumulative product is divided by, and not multiplied",
                evidence=f"`{operator.places[0].text}` is larger than beta at every step, and "
                f"divides by 0 at the first one, where the previous product is "
                f"{shifted.number:.3g}; it is beta * (1 - previous) / (1 - current)",
                cause=location(operator.places),
                symptom=location(shifted.operator.places),
                subject=operator.places[0].text,
                confidence=7,
            )
            return


def _shifted(evidence: Evidence) -> Iterator[Shifted]:
    """Yield the cumulative products that are shifted by one element."""
    for operator in evidence.record.operators:
        if not operator.places or not operator.outputs:
            continue
        if operator.name == "pad" and operator.inputs:
            yield from _padded(evidence, operator)
        elif operator.name in JOINS and len(operator.inputs) == PAIR:
            yield from _joined(evidence, operator)


def _padded(evidence: Evidence, operator: Operator) -> Iterator[Shifted]:
    literals = operator.literals
    sides = literals.get(1, literals.get("pad"))
    number = literals.get(3, literals.get("value")) or 0.0
    kept = _shortened(evidence, operator.inputs[0])
    constant = literals.get(2, literals.get("mode", "constant")) in {None, "constant"}
    if kept is not None and constant and tuple(sides or ()) == ((1, 0) if kept[1] else (0, 1)):
        yield Shifted(operator, kept[0], float(number), kept[1])


def _joined(evidence: Evidence, operator: Operator) -> Iterator[Shifted]:
    for in_front in (True, False):
        number, rest = operator.inputs if in_front else operator.inputs[::-1]
        kept = _shortened(evidence, rest)
        maker = evidence.record.producer(number)
        plain = maker is None or not maker.inputs or maker.name in CONSTANTS
        if kept is not None and kept[1] is in_front and plain and number.scalar is not None:
            yield Shifted(operator, kept[0], number.scalar, in_front)


def _shortened(evidence: Evidence, value: Value) -> tuple[Value, bool] | None:
    """Return the cumulative product that a value is without one element, and whether its last."""
    operator = evidence.record.producer(value)
    if operator is None or operator.name != "__getitem__" or not operator.places:
        return None
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    index = node.slice if isinstance(node, ast.Subscript) else None
    last = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else index
    text = ast.unparse(last) if isinstance(last, ast.Slice) else ""
    product = producer(evidence, operator.inputs[0])
    known = product is not None and product.name == "cumprod" and product.outputs
    if text not in {":-1", "1:"} or product is None or not known:
        return None
    factors = evidence.record.producer(product.inputs[0])
    is_mask = factors is not None and factors.inputs[:1] and factors.inputs[0].dtype in WHOLE
    is_float = product.outputs[0].dtype.is_floating_point
    return (operator.inputs[0], text == ":-1") if is_float and not is_mask else None


def _factors(evidence: Evidence, value: Value, depth: int) -> Iterator[Value]:
    """Yield what a value is the product of, and itself."""
    yield value
    operator = evidence.record.producer(value)
    if operator is not None and plain_name(operator) == "mul" and depth:
        for one in operator.inputs:
            yield from _factors(evidence, one, depth - 1)
