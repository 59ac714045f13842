"""Losses that the user wrote: they are called again with right and with wrong answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.rules.loss.asked_again import asked_as_loss
from broken_convnets.commands.diagnose.rules.loss.pair_losses import DISTANCES, HINGES
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name, terms

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.metric_calls import MetricCall
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PASSES = 4  # backward passes that are looked at
ROOTS = frozenset({"pow", "sqrt"})  # the last operator of a distance


@dataclass(frozen=True)
class OwnFunction:
    """A function of the user's that compares an output of a network with a target from the data.

    `answers` are what it returns for right and for wrong answers, and for the highest and the
    lowest ones; if the labels are classes, first for scores as the program has them, then for
    probabilities.
    """

    call: MetricCall
    source: Source
    syntax: ast.FunctionDef
    answers: tuple[float, ...]

    @property
    def right(self) -> float:
        """What it returns for right answers."""
        return self.answers[0]

    @property
    def wrong(self) -> float:
        """What it returns for wrong answers."""
        return self.answers[1]

    def grows_with_right_answers(self, margin: float) -> bool:
        """Return whether right answers have larger results than wrong ones, by a share.

        For scores or for probabilities, no other answers may have as large a result.
        """
        each = [self.answers[i : i + 4] for i in range(0, len(self.answers), 4)]
        largest = (
            right - max(others) > margin * max(abs(right), abs(max(others)))
            for right, *others in each
        )
        return any(largest) and all(right > wrong for right, wrong, *_ in each)

    def contains(self, place: Place) -> bool:
        """Return whether a place is inside of the function."""
        inside = self.syntax.lineno <= place.line <= (self.syntax.end_lineno or 0)
        return inside and place.file == self.source.path


def own_functions(evidence: Evidence) -> Iterator[OwnFunction]:
    """Yield the functions of the user's that return finite numbers when they are called again."""
    for call in evidence.record.metric_calls:
        code = call.code
        source = evidence.source(code.co_filename)
        syntax = source.function_named(code.co_name, code.co_firstlineno) if source else None
        if source is None or syntax is None or _reads_signs(call):
            continue
        numbers = _numbers(call)
        if numbers is not None and all(map(math.isfinite, numbers)):
            yield OwnFunction(call, source, syntax, tuple(numbers))


@lru_cache(maxsize=64)  # two rules ask
def _numbers(call: MetricCall) -> list[float] | None:
    return numbers_from_child(partial(asked_as_loss, call))


def minimized(evidence: Evidence, function: OwnFunction) -> Operator | None:
    """Return the operator that computed a term of a loss inside of the function.

    None unless the term has a positive weight, and either nothing is added to it, or only terms
    that depend on the same output and target.
    """
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        for root in backward.roots:
            results = _results(evidence, function, root)
            found = list(terms(evidence, root, frozenset(results)))
            own = [term for term in found if term.value in results]
            if not own or any(term.factor <= 0 for term in own):
                continue
            operator = results[own[0].value]
            if all(_is_about(evidence, term.value, operator) for term in found):
                return operator
    return None


def _results(evidence: Evidence, function: OwnFunction, root: Value) -> dict[Value, Operator]:
    """Return the numbers with a graph that the function computed, and what is around it uses."""
    found = {}
    for value in evidence.flow.ancestors([root]):
        operator = evidence.record.producer(value)
        if operator is None or value.shape != () or not value.requires_grad:
            continue
        used_inside = any(
            _runs_inside(function, consumer) for consumer in evidence.flow.consumers(value)
        )
        if _runs_inside(function, operator) and not used_inside:
            found[value] = operator
    return found


def is_in_loss(evidence: Evidence, function: OwnFunction) -> bool:
    """Return whether a backward pass depends on what the function computes."""
    used = evidence.flow.reaching_backward
    return any(
        value in used
        for operator in evidence.record.operators
        if _runs_inside(function, operator)
        for value in operator.outputs
    )


def _runs_inside(function: OwnFunction, operator: Operator) -> bool:
    return any(map(function.contains, operator.places))


def _is_about(evidence: Evidence, value: Value, operator: Operator) -> bool:
    """Return whether a term depends on all outputs of networks that an operator depends on."""
    outputs = evidence.flow.network_outputs
    wanted = evidence.flow.ancestors(operator.inputs) & outputs
    return bool(wanted) and wanted <= evidence.flow.ancestors([value])


def compares_with_data(evidence: Evidence, function: OwnFunction, operator: Operator) -> bool:
    """Return whether the function compares scores, not distances, with what comes from no network.

    A loss of distances has a label for near or for far, by the choice of its author.
    """
    flow, record = evidence.flow, evidence.record
    makers = map(record.producer, flow.ancestors(operator.outputs))
    inside = [one for one in makers if one is not None and _runs_inside(function, one)]
    computed = {value for one in inside for value in one.outputs}
    entering = {value for one in inside for value in one.inputs} - computed
    return not any(
        _is_distance(evidence, value) if value.requires_grad else flow.depends_on_network(value)
        for value in entering
    ) and not any(_is_hinge(evidence, one) for one in inside)


def _is_distance(evidence: Evidence, value: Value) -> bool:
    found = producer(evidence, value)
    if found is not None and plain_name(found) in {"rsub", "sub"}:  # 1 - similarity
        found = producer(evidence, found.inputs[-1])
        return found is not None and found.name == "cosine_similarity"
    return found is not None and (found.name in DISTANCES or plain_name(found) in ROOTS)


def _is_hinge(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator returns max(0, margin - x)."""
    made = producer(evidence, operator.inputs[0]) if operator.name in HINGES else None
    return made is not None and plain_name(made) in {"rsub", "sub"}


def _reads_signs(call: MetricCall) -> bool:
    """Return whether the function reads negative numbers from elsewhere, such as rewards."""
    code, function = call.code, call.function
    outer = [function.__globals__.get(name) for name in code.co_names]
    outer += [cell.cell_contents for cell in function.__closure__ or ()]
    owner = call.arguments.get("self") if call.owner is None else call.owner()
    held = getattr(owner, "__dict__", {})
    outer += [held.get(name) for name in code.co_names]
    return any(map(_has_negative, outer))


def _has_negative(value: Any) -> bool:
    import torch  # noqa: PLC0415  (rules are imported where torch may be missing)

    if isinstance(value, torch.Tensor):
        return bool(value.numel()) and not value.is_complex() and bool((value < 0).any())
    if isinstance(value, list | tuple):
        return any(map(_has_negative, value))
    return isinstance(value, int | float) and value < 0
