"""A focal loss weights each sample by its own probability, before it takes the mean."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
LOSSES = frozenset(
    {"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
)
NEGATIONS = frozenset({"neg", "__neg__", "mul", "__mul__", "__rmul__"})
PRODUCTS = frozenset({"mul", "__mul__", "__rmul__"})
STEPS = 6  # operators from exp(-loss) to its product with the loss, at most
PASSES = 4  # backward passes that are looked at


@rule(
    "a focal loss weights each sample, and not the mean of a batch",
    stays_quiet="unless exp(-loss) of a mean is multiplied by that mean, or a constant times it, "
    "before backward()",
)
def focal_weight_of_a_mean(evidence: Evidence) -> Iterator[Finding]:
    """Find `(1 - exp(-ce)) ** gamma * ce` where `ce` is already a mean over the batch."""
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        for mean, weight in _weighted_means(evidence, backward):
            if not mean.places or not weight.places:
                continue
            yield Finding(
                kind="loss/kl_div_reduction",
                message=f"`{weight.places[0].text}` is one number for the whole batch: easy and "
                "hard samples get the same weight",
                evidence=f"{mean.name} returns the mean over {list(mean.inputs[0].shape)}; with "
                'reduction="none" it returns one loss for each target',
                cause=location(mean.places),
                symptom=location(weight.places),
                subject=mean.places[0].text,
                candidates=candidates(*_unreduced(evidence, mean)),
                confidence=7,
            )
            return


def _weighted_means(
    evidence: Evidence, backward: BackwardPass
) -> Iterator[tuple[Operator, Operator]]:
    """Yield the loss functions that return a mean, with the exp() that weights that mean."""
    values = evidence.flow.ancestors(backward.roots)
    for value in values:
        mean = evidence.record.producer(value)
        if mean is None or mean.name not in LOSSES or value.shape or not mean.inputs[0].shape:
            continue
        for negated in evidence.record.consumers(value):
            weights = [negated] if negated.name == "exp" else []
            if negated.name in NEGATIONS and negated.outputs:
                weights += evidence.record.consumers(negated.outputs[0])
            for weight in weights:
                if weight.name == "exp" and _multiplies(evidence, weight, value, values):
                    yield mean, weight


def _multiplies(evidence: Evidence, weight: Operator, mean: Value, values: set[Value]) -> bool:
    """Return whether what is computed from a weight is multiplied by the mean, for the loss."""
    waiting, same = list(weight.outputs), _multiples(evidence, mean)
    for _ in range(STEPS):
        found = [one for value in waiting for one in evidence.record.consumers(value)]
        if any(one.name in PRODUCTS and same.intersection(one.inputs) for one in found):
            return True
        waiting = [value for one in found for value in one.outputs if value in values]
    return False


def _multiples(evidence: Evidence, mean: Value) -> set[Value]:
    """Return the mean, and what is a constant times it."""
    found = waiting = {mean}
    for _ in range(STEPS):
        scaled = (
            operator
            for value in waiting
            for operator in evidence.record.consumers(value)
            if operator.name in NEGATIONS and len(operator.inputs) == 1
        )
        waiting = {value for operator in scaled for value in operator.outputs} - found
        found = found | waiting
    return found


def _unreduced(evidence: Evidence, mean: Operator) -> Iterator[Attempt]:
    """Yield the change of a loss, or of its constructor, to one number for each sample."""
    built = evidence.record.construction_of(mean)
    site = site_of(evidence, built.places if built else mean.places)
    if site is not None and (built or called_name(site.call) in LOSSES):
        yield 0, partial(edits.set_argument, site.source, site.call, "reduction", None, '"none"')
