"""Predictions are classes: indices along the dimension of classes, compared with labels."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import producer, shown
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

EQUALITIES = frozenset({"eq", "__eq__", "ne", "__ne__"})
LARGEST = frozenset({"max", "amax", "topk"})  # return scores, in their first output


@rule(
    "labels are compared with classes, not with scores",
    stays_quiet="unless the largest score itself is compared with integers",
)
def scores_compared_with_labels(evidence: Evidence) -> Iterator[Finding]:
    """Find max() where argmax() is meant."""
    seen: set[object] = set()
    for operator, scores, labels in comparisons(evidence):
        maker = producer(evidence, scores)
        if maker is None or maker.name not in LARGEST or not maker.places:
            continue
        if not scores.dtype.is_floating_point or labels.dtype.is_floating_point:
            continue
        if maker.places[0] in seen or not evidence.flow.depends_on_network(scores):
            continue
        seen.add(maker.places[0])
        yield Finding(
            kind="loss/broadcast_metric",
            message=f"labels are compared with the largest score, not with its index: "
            f"{maker.name} returns values here",
            evidence=f"{operator.places[0].text} compares {scores} with {labels}; the scores "
            f"come from {maker.places[0].text} at {shown(maker.places)}",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location(maker.places),
            symptom=location(operator.places),
            subject=maker.places[0].text,
            cases=("loss/max_instead_of_argmax",),
            candidates=_indices(evidence, maker),
            confidence=9,
        )


def comparisons(evidence: Evidence) -> Iterator[tuple[Operator, Value, Value]]:
    """Yield each comparison for equality, with both orders of its two tensors."""
    for operator in evidence.record.operators:
        if operator.name in EQUALITIES and len(operator.inputs) > 1 and operator.places:
            one, other = operator.inputs[:2]
            yield operator, one, other
            yield operator, other, one


def _indices(evidence: Evidence, maker: Operator) -> tuple[Candidate, ...]:
    """Return the change that takes the indices of max() and not its values."""
    site = site_of(evidence, maker.places)
    if site is None:
        return ()
    source, call, parent = site.source, site.call, site.source.parent(site.call)
    if maker.name == "amax":
        text = source.text_of(call.func).removesuffix("amax") + "argmax"
        return candidates((0, partial(edits.replace, source, [(call.func, text)])))
    if isinstance(parent, ast.Attribute) and parent.attr == "values":
        text = f"{source.text_of(call)}.indices"
        return candidates((0, partial(edits.replace, source, [(parent, text)])))
    if isinstance(parent, ast.Subscript):
        text = f"{source.text_of(call)}[1]"
        return candidates((0, partial(edits.replace, source, [(parent, text)])))
    target = parent.targets[0] if isinstance(parent, ast.Assign) else None
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:  # noqa: PLR2004  (values, indices)
        text = ", ".join(source.text_of(one) for one in reversed(target.elts))
        return candidates((0, partial(edits.replace, source, [(target, text)])))
    return ()


@rule(
    "a prediction is the best of two classes or more",
    stays_quiet="if any call at the place has more than one column, and unless labels are "
    "compared with it",
)
def argmax_of_one_output(evidence: Evidence) -> Iterator[Finding]:
    """Find argmax over one column, which is class 0 whatever the network returns."""
    seen: set[object] = set()
    for operator, predicted, labels in comparisons(evidence):
        maker = producer(evidence, predicted)
        if maker is None or maker.name not in {"argmax", "max"} or not maker.places:
            continue
        shape = maker.inputs[0].shape if maker.inputs else ()
        one = len(shape) == 2 and shape[0] > 1 == shape[1]  # noqa: PLR2004  (samples, classes)
        if not one or dimension(maker, 2) != 1 or maker.places[0] in seen:
            continue
        if not evidence.flow.depends_on_network(predicted) or evidence.flow.depends_on_network(
            labels
        ):
            continue
        seen.add(maker.places[0])
        yield Finding(
            kind="loss/argmax_of_one_output",
            message="argmax over one column is 0 for every sample",
            evidence=f"{maker.places[0].text} receives shape {list(shape)}, and "
            f"{operator.places[0].text} compares its result with the labels",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location(maker.places),
            symptom=location(operator.places),
            subject=maker.places[0].text,
            candidates=_threshold(evidence, maker),
            confidence=8,
        )


def dimension(operator: Operator, dims: int) -> int | None:
    """Return the dimension that an operator works along, counted from 0; None without one."""
    found = operator.literals.get("dim", operator.literals.get(1))
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found % dims if dims else None


def _threshold(evidence: Evidence, maker: Operator) -> tuple[Candidate, ...]:
    """Return the change into a threshold: of a probability, or of a logit."""
    site = site_of(evidence, maker.places)
    scores = producer(evidence, maker.inputs[0])
    if site is None or not isinstance(site.call.func, ast.Attribute) or maker.name != "argmax":
        return ()
    limit = "0.5" if scores is not None and scores.name == "sigmoid" else "0"
    owner = site.source.text_of(site.call.func.value)
    owner = site.source.text_of(site.call.args[0]) if owner == "torch" else owner
    text = f"({owner}[:, 0] > {limit}).long()"
    return candidates((0, partial(edits.replace, site.source, [(site.call, text)])))
