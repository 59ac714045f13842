"""The divergence of a variational autoencoder is summed over the latent dimensions.

The bound that it maximizes is a sum over the pixels plus a sum over the latent dimensions.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.mixed_reductions import (
    ADDING,
    SCALING,
    is_unweighted,
    reconstructs,
)
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.observe.recorder.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

DIVISIONS = frozenset({"div", "__truediv__", "true_divide"})
SQUARES = frozenset({"pow", "__pow__", "square", "mul", "__mul__"})
CURVED = frozenset({"exp", "log"})
STEPS = 40  # operators between a backward pass and the terms, at most
DEPTH = 12  # operators of the divergence
PASSES = 4  # backward passes that are looked at


@rule(
    "a VAE does not average its KL divergence where it sums its reconstruction loss",
    stays_quiet="about terms that are weighted, and errors that are averaged over the pixels, too",
)
def divergence_averaged_over_latents(evidence: Evidence) -> Iterator[Finding]:
    """Find the mean of a divergence beside a sum of errors for each image."""
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        terms = list(_terms(evidence, backward))
        divergence = next((t for t in terms if _is_averaged_divergence(evidence, t)), None)
        error = next((t for t in terms if _is_summed_error(evidence, t)), None)
        if divergence is None or error is None:
            continue
        shape = divergence.inputs[0].shape
        yield Finding(
            kind="loss/kl_div_reduction",
            message="the KL divergence is a mean over the latent dimensions, and the "
            "reconstruction loss is a sum over the pixels",
            evidence=f"{divergence.places[0].text} divides by {prod(shape)} = "
            f"{' x '.join(map(str, shape))}, and {error.places[0].text} by the size of the batch "
            f"at most: the divergence weighs {prod(shape[1:])} times less than the sum over "
            "latent dimensions that belongs to it",
            cause=location(divergence.places),
            symptom=location(error.places),
            subject=divergence.places[0].text,
            confidence=6,
        )
        return


def _terms(evidence: Evidence, backward: BackwardPass) -> Iterator[Operator]:
    """Yield the operators whose numbers are added up to a loss, without a weight."""
    waiting = list(backward.roots)
    for _ in range(STEPS):
        operator = evidence.record.producer(waiting.pop()) if waiting else None
        if operator is None or not operator.inputs:
            continue
        scaled = operator.name in SCALING and is_unweighted(operator)
        if operator.name in ADDING or scaled or _divides_by_batch(evidence, operator):
            waiting += [one for one in operator.inputs if one.shape == ()]
        elif operator.places:
            yield operator


def _divides_by_batch(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator divides a sum by the first size of what was summed."""
    if operator.name not in DIVISIONS or len(operator.inputs) != 1:
        return False
    total = evidence.record.producer(operator.inputs[0])
    sizes = {one.shape[0] for one in total.inputs if one.shape} if total else set()
    return operator.literals.get(1, operator.literals.get("other")) in sizes


def _is_averaged_divergence(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator is the mean of log(s) - m ** 2 - s over all dimensions."""
    shape = operator.inputs[0].shape
    reduced = operator.literals.get("dim", operator.literals.get(1))
    if operator.name != "mean" or reduced is not None or len(shape) < 2 or prod(shape[1:]) < 2:  # noqa: PLR2004  (samples, dimensions)
        return False
    found = list(_above(evidence, operator.inputs[0]))
    curved = {one.inputs[0] for one in found if one.name in CURVED and one.inputs}
    again = any(v in curved for one in found if one.name not in CURVED for v in one.inputs)
    return again and any(one.name in SQUARES for one in found)


def _above(evidence: Evidence, value: Value) -> Iterator[Operator]:
    """Yield the elementwise operators on tensors of one shape that lead to a value."""
    waiting = [value]
    for _ in range(DEPTH):
        operator = evidence.record.producer(waiting.pop(0)) if waiting else None
        if operator is not None:
            yield operator
            waiting += [one for one in operator.inputs if one.shape == value.shape]


def _is_summed_error(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator adds up the errors of all pixels of each image."""
    summed = operator
    if operator.name == "mean" and len(operator.inputs[0].shape) == 1:
        before = evidence.record.producer(operator.inputs[0])
        if before is None or before.name != "sum":
            return False
        summed = before
    elif operator.name in LOSSES:
        if operator.literals.get("reduction") != "sum":
            return False
    elif operator.name != "sum":
        return False
    return len(summed.inputs[0].shape) > 1 and reconstructs(evidence, summed)
