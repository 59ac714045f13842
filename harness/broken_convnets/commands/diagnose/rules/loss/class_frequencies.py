"""Weights of classes balance the classes: the rarer a class, the larger its weight."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.class_weight_origins import (
    computed,
    inverted,
    is_written_out,
    weights_of_loss,
)
from broken_convnets.commands.diagnose.rules.training.bound_values import Bound
from broken_convnets.commands.diagnose.sites import (
    calls_named,
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate, Location
    from broken_convnets.observe.recorder.places import Place

    Pair = tuple[float, float]  # a weight, and the frequency that it belongs to

LEAST = 20  # targets of all classes
UNEQUAL = 1.5  # ratio of the largest to the smallest class
CLOSE = 0.2  # relative difference of weights that follow the frequencies
NEAR = 0.1  # the same for two classes
EXACT = 0.02  # the same for numbers that are written out, which may be equal by chance
RARE = 0.67  # weight of positives
SHOWN = 4


@rule(
    "class weights are larger for rarer classes",
    stays_quiet="unless the weights are proportional to how often the loss receives the classes in "
    "training; a warning for weights that are written out, which may be costs",
)
def class_weights_follow_frequency(evidence: Evidence) -> Iterator[Finding]:
    """Find `CrossEntropyLoss(weight=counts / counts.sum())`."""
    require_success(evidence)
    for one in evidence.record.content_facts.class_balances:
        pairs = [pair for pair in zip(one.weights, one.counts, strict=False) if pair[1]]
        if one.operator.name.startswith("binary") or not one.constant:
            continue
        origin = weights_of_loss(evidence, one.operator, "weight")
        if not _are_proportional(pairs, _tolerance(origin, len(pairs))):
            continue
        yield Finding(
            kind="loss",
            message=f"the weights of {one.operator.name} grow with the frequency of the classes, "
            "so frequent classes count even more: use the inverse",
            evidence=_shown(pairs, "targets"),
            severity=_severity(origin),
            cause=_cause(origin, one.operator.places),
            symptom=location(one.operator.places),
            subject=one.operator.places[0].text,
            candidates=_inverse(origin),
            confidence=7,
        )


@rule(
    "a WeightedRandomSampler draws samples of rare classes more often",
    stays_quiet="unless all samples of a class have one weight that is proportional to the size of "
    "the class",
)
def sample_weights_follow_frequency(evidence: Evidence) -> Iterator[Finding]:
    """Find `WeightedRandomSampler(counts[labels], len(labels))`."""
    require_success(evidence)
    for loader in evidence.record.loaders:
        pairs = [(weight, float(size)) for size, weight in loader.class_weights.values()]
        if not _are_proportional(pairs, EXACT):
            continue
        origin = _sampler_weights(evidence)
        yield Finding(
            kind="data",
            message="the weights of WeightedRandomSampler grow with the size of the classes, so it "
            "draws samples of frequent classes even more often: use the inverse",
            evidence=_shown(pairs, "samples"),
            cause=_cause(origin, loader.places),
            symptom=location(loader.places),
            subject=loader.type,
            candidates=_inverse(origin),
            confidence=7,
        )
        return


@rule(
    "pos_weight is larger than 1 for labels that are rarely positive",
    stays_quiet="unless pos_weight is the number of positives divided by that of negatives; a "
    "warning for a number that is written out, which may be a cost",
)
def pos_weight_is_inverted(evidence: Evidence) -> Iterator[Finding]:
    """Find `BCEWithLogitsLoss(pos_weight=positives / negatives)`."""
    require_success(evidence)
    for one in evidence.record.content_facts.class_balances:
        if not one.operator.name.startswith("binary") or not one.constant or one.read < LEAST:
            continue
        each = one.read / len(one.weights)
        pairs = zip(one.weights, one.counts, strict=True)
        odds = [(weight, count / (each - count)) for weight, count in pairs if 0 < count < each]
        origin = weights_of_loss(evidence, one.operator, "pos_weight")
        near = EXACT if is_written_out(origin) else CLOSE
        equal = all(abs(weight / ratio - 1) <= near for weight, ratio in odds)
        if not odds or not equal or max(weight for weight, _ in odds) >= RARE:
            continue
        weight, ratio = odds[0]
        yield Finding(
            kind="loss",
            message="pos_weight is the number of positives divided by that of negatives, so rare "
            "positives count even less: use negatives / positives",
            evidence=f"pos_weight is {weight:.3g}; in the targets of training, positives / "
            f"negatives is {ratio:.3g}",
            severity=_severity(origin),
            cause=_cause(origin, one.operator.places),
            symptom=location(one.operator.places),
            subject=one.operator.places[0].text,
            candidates=_inverse(origin),
            confidence=8,
        )


def _severity(origin: Bound | None) -> Severity:
    return Severity.WARNING if is_written_out(origin) else Severity.ERROR


def _tolerance(origin: Bound | None, classes: int) -> float:
    """Return how far weights may be from frequencies: the fewer there are, the less by chance."""
    if is_written_out(origin):
        return EXACT
    return CLOSE if classes > 2 else NEAR  # noqa: PLR2004  (one ratio)


def _are_proportional(pairs: Sequence[Pair], near: float) -> bool:
    """Return whether weights follow frequencies that differ."""
    sizes = [size for _, size in pairs]
    if len(pairs) < 2 or sum(sizes) < LEAST or max(sizes) <= UNEQUAL * min(sizes):  # noqa: PLR2004  (classes)
        return False
    shares = [weight / size for weight, size in pairs]
    middle = median(shares)
    return middle > 0 and all(abs(share / middle - 1) <= near for share in shares)


def _sampler_weights(evidence: Evidence) -> Bound | None:
    """Return where the weights of the only sampler in the source are computed."""
    found = list(calls_named(evidence, "WeightedRandomSampler"))
    given = argument(found[0][1], "weights", 0) if len(found) == 1 else None
    return computed(evidence, Bound(found[0][0], given)) if given is not None else None


def _shown(pairs: Iterable[Pair], what: str) -> str:
    ordered = sorted(pairs, key=lambda pair: -pair[1])
    listed = [f"{weight:.3g} for a class with {size:.0f} {what}" for weight, size in ordered]
    more = ", ..." if len(listed) > SHOWN else ""
    return f"the weight is {', '.join(listed[:SHOWN])}{more}"


def _cause(origin: Bound | None, places: Sequence[Place]) -> Location | None:
    return location_in(origin.source, origin.node) if origin else location(places)


def _inverse(origin: Bound | None) -> tuple[Candidate, ...]:
    return candidates((0, partial(inverted, origin))) if origin else ()
