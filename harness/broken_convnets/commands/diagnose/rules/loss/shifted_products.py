"""The cumulative product up to the element before: 1 comes first, not last.

Ho et al., Denoising diffusion probabilistic models (2020), equation 7: the posterior of a step
needs the product of the step before, which is 1 before the first step.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.shifted_arrays import NEUTRAL, appended_arrays
from broken_convnets.commands.diagnose.sites import location, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

JOINS = frozenset({"cat", "concat", "concatenate", "hstack"})
CONSTANTS = {"ones": 1.0, "new_ones": 1.0, "ones_like": 1.0}
CONSTANTS |= {"zeros": 0.0, "new_zeros": 0.0, "zeros_like": 0.0}
CREATIONS = frozenset({"tensor", "as_tensor", "new_tensor", "full", "new_full"})
CONVERSIONS = frozenset({"to", "float", "double", "type", "__getitem__", "unsqueeze", "view"})
HOPS = 4
LAST_OF_TWO = (0, 1)  # the padding of the last dimension at its end


class Appended(NamedTuple):
    """A cumulative sum or product without its last element, and a number in place of that."""

    cumulative: Operator
    shortened: Value
    number: float | None


@rule(
    "a cumulative product or sum up to the element before begins with 1 or 0",
    stays_quiet="unless the last element is sliced off the result of cumprod() or cumsum(), and 1 "
    "or 0 is appended to the end",
)
def neutral_element_comes_last(evidence: Evidence) -> Iterator[Finding]:
    """Find `F.pad(products[:-1], (0, 1), value=1.0)`, which shifts nothing."""
    reported: set[object] = set()
    for operator in evidence.record.operators:
        found = _padded(evidence, operator) or _joined(evidence, operator)
        if found is None or found.number is None or operator.place in reported:
            continue
        name = found.cumulative.name
        if found.number == NEUTRAL[name] and operator.places:
            reported.add(operator.place)
            text, cause = operator.places[0].text, location(operator.places)
            yield _finding(name, text, found.number, cause, location(found.cumulative.places))
    for one in appended_arrays(evidence):
        name, text = called_name(one.cumulative), one.source.text_of(one.call)
        places = [location_in(one.source, node) for node in (one.call, one.cumulative)]
        yield _finding(name, text, one.number, *places)


def _finding(
    name: str, text: str, number: float, cause: Location | None, symptom: Location | None
) -> Finding:
    return Finding(
        kind="other",
        message=f"the {name}() of the elements before is not shifted: {number:.0f} replaces its "
        "last element",
        evidence=f"`{text}` removes the last element and appends {number:.0f}, so that each of "
        f"the others stays at its own position; {number:.0f} comes first if element t is to be "
        "the result of those before t",
        cause=cause,
        symptom=symptom,
        subject=text,
        confidence=7,
    )


def _padded(evidence: Evidence, operator: Operator) -> Appended | None:
    if operator.name != "pad" or len(operator.inputs) != 1:
        return None
    literals = operator.literals
    pad, value = literals.get(1, literals.get("pad")), literals.get(3, literals.get("value"))
    mode = literals.get(2, literals.get("mode", "constant"))
    if not isinstance(pad, tuple | list) or tuple(pad) != LAST_OF_TWO or mode != "constant":
        return None
    number = float(value) if isinstance(value, int | float) else 0.0
    return _appended(evidence, operator.inputs[0], number)


def _joined(evidence: Evidence, operator: Operator) -> Appended | None:
    if operator.name not in JOINS or len(operator.inputs) != 2:  # noqa: PLR2004  (products, one more)
        return None
    first, second = operator.inputs
    if second.shape[-1:] != (1,) or first.shape[:-1] != second.shape[:-1]:
        return None
    found = _appended(evidence, first, None)
    return found._replace(number=_constant(evidence, second)) if found is not None else None


def _appended(evidence: Evidence, value: Value, number: float | None) -> Appended | None:
    """Return what a value is a cumulative result of, if its last element is sliced off."""
    sliced = evidence.record.producer(value)
    if sliced is None or sliced.name != "__getitem__" or not _lacks_last(evidence, sliced):
        return None
    whole = sliced.inputs[0]
    for _ in range(HOPS):
        maker = evidence.record.producer(whole)
        if maker is None or not maker.inputs:
            return None
        if maker.name in NEUTRAL and maker.places and _is_along_last(maker):
            return Appended(maker, value, number)
        if maker.name not in CONVERSIONS - {"__getitem__"}:
            return None
        whole = maker.inputs[0]
    return None


def _is_along_last(cumulative: Operator) -> bool:
    dim = cumulative.literals.get(1, cumulative.literals.get("dim"))
    return dim in {-1, len(cumulative.outputs[0].shape) - 1}


def _lacks_last(evidence: Evidence, sliced: Operator) -> bool:
    """Return whether a slice is `[:-1]`, or `[..., :-1]`."""
    source = evidence.source(sliced.places[0].file) if sliced.places else None
    node = source.expression_at(sliced.places[0]) if source else None
    if not isinstance(node, ast.Subscript) or len(sliced.inputs) != 1:
        return False
    part = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice
    before, after = sliced.inputs[0].shape, sliced.outputs[0].shape
    shorter = before[:-1] == after[:-1] and before[-1] == after[-1] + 1
    return shorter and isinstance(part, ast.Slice) and not part.lower and bool(part.upper)


def _constant(evidence: Evidence, value: Value) -> float | None:
    """Return the number of a tensor of one number; None if it is not known."""
    for _ in range(HOPS):
        maker = evidence.record.producer(value)
        if maker is None:
            return None
        if maker.name in CONSTANTS:
            return CONSTANTS[maker.name]
        if maker.name in CREATIONS:
            given = maker.literals.get(int("full" in maker.name), maker.literals.get("data"))
            given = given[0] if isinstance(given, tuple | list) and len(given) == 1 else given
            return float(given) if isinstance(given, int | float) else None
        if maker.name not in CONVERSIONS or not maker.inputs:
            return None
        value = maker.inputs[0]
    return None
