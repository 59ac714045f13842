"""Losses of pairs and triplets pull samples of one class together, and push others apart."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.agreement import agreement
from broken_convnets.commands.diagnose.rules.loss.counters import assigned_value, scope_of
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Operator

HINGES = frozenset({"relu", "relu_", "clamp", "clamp_", "clamp_min", "clamp_min_"})
DISTANCES = frozenset({"pairwise_distance", "cdist", "norm", "linalg_norm", "sqrt"})
SQUARES = frozenset({"pow", "__pow__", "square"})
PRODUCTS = frozenset({"mul", "__mul__", "__rmul__"})
TRIPLET = 3


@rule(
    "a contrastive loss pulls samples of one class together, and pushes those of two classes apart",
    stays_quiet="unless the loss is multiplied by a comparison of labels, or is a "
    "cosine_embedding_loss with such a target",
)
def pairs_the_wrong_way_round(evidence: Evidence) -> Iterator[Finding]:
    """Find a margin for pairs of one class, and a target of -1 for them."""
    for operator in evidence.record.operators:
        if operator.name == "cosine_embedding_loss" and len(operator.inputs) == TRIPLET:
            wrong = agreement(evidence, operator.inputs[2]) < 0
            what = "its target is -1 where two labels are equal, and 1 where they differ"
        elif operator.name in PRODUCTS:
            wrong = _pushes_equals_apart(evidence, operator)
            what = "the margin, which pushes samples apart, applies where two labels are equal"
        else:
            continue
        used = any(value in evidence.flow.reaching_backward for value in operator.outputs)
        if wrong and used and operator.places:
            yield Finding(
                kind="loss/triplet_mining",
                message="the loss pushes samples of one class apart, and pulls those of two "
                "classes together",
                evidence=f"in {operator.places[0].text}, {what}",
                cause=location(operator.places),
                subject=operator.places[0].text,
                cases=("loss/hardest_negative_is_the_anchor",),
                confidence=7,
            )
            return


def _pushes_equals_apart(evidence: Evidence, product: Operator) -> bool:
    """Return whether an operator multiplies max(0, margin - distance) by the equality of labels."""
    if len(product.inputs) != 2:  # noqa: PLR2004  (two factors)
        return False
    for factor, hinge in (product.inputs, product.inputs[::-1]):
        if _is_hinge(evidence, producer(evidence, hinge)) and agreement(evidence, factor) > 0:
            return True
    return False


def _is_hinge(evidence: Evidence, operator: Operator | None) -> bool:
    """Return whether an operator returns max(0, margin - distance), or the square of it."""
    if operator is not None and operator.name in SQUARES:
        operator = producer(evidence, operator.inputs[0])
    if operator is None or operator.name not in HINGES or not operator.outputs[0].requires_grad:
        return False
    margin = producer(evidence, operator.inputs[0])
    if margin is None or margin.name not in {"rsub", "__rsub__"} or len(margin.inputs) != 1:
        return False
    distance = producer(evidence, margin.inputs[0])
    if distance is not None and distance.name == "sum":
        squares = producer(evidence, distance.inputs[0])
        return squares is not None and squares.name in SQUARES
    return distance is not None and distance.name in DISTANCES


@rule(
    "a triplet loss receives the anchor, the positive and the negative sample in this order",
    stays_quiet="unless the arguments are called negative and positive, in this order, and the "
    "second of them is the nearer one at the first call",
)
def triplet_in_other_order(evidence: Evidence) -> Iterator[Finding]:
    """Find `criterion(anchor, negative, positive)`."""
    for triplet in evidence.record.triplets:
        operator = triplet.operator
        site = site_of(evidence, operator.places)
        if site is None or triplet.second <= triplet.third or not _are_exchanged(site):
            continue
        second, third = site.call.args[1:TRIPLET]
        texts = [site.source.text_of(second), site.source.text_of(third)]
        change = [(second, texts[1]), (third, texts[0])]
        yield Finding(
            kind="loss/triplet_mining",
            message="the triplet loss receives the negative sample as the positive one",
            evidence=f"it pulls {texts[0]} to the anchor, {triplet.second:.3g} away on average at "
            f"the first call, and pushes {texts[1]} away, at {triplet.third:.3g}",
            cause=location(operator.places),
            subject=operator.places[0].text,
            candidates=candidates((0, partial(edits.replace, site.source, change))),
            confidence=7,
        )
        return


def _are_exchanged(site: Site) -> bool:
    arguments = site.call.args
    if len(arguments) < TRIPLET or any(isinstance(one, ast.Starred) for one in arguments):
        return False
    second, third = (_words(site, one) for one in arguments[1:TRIPLET])
    return "neg" in second and "pos" not in second and "pos" in third and "neg" not in third


def _words(site: Site, argument: ast.expr) -> str:
    """Return the text of an argument, and that of what it is assigned, in lower case."""
    value = None
    if isinstance(argument, ast.Name):
        value = assigned_value(argument, scope_of(site.source, site.call))
    text = site.source.text_of(argument) + (f" {site.source.text_of(value)}" if value else "")
    return text.lower()
