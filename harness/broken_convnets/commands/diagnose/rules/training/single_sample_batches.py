"""Batch normalization in training sees batches, not single samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place

PASSES = 8  # in train mode, at least
TRAINING = 5  # position of the argument `training` of batch_norm


@rule(
    "batch normalization computes its statistics over several samples",
    stays_quiet="unless all training passes of a network have one sample, and it infers in eval "
    "mode; about samples that are maps of a whole image each, it is a warning",
)
def batches_of_one(evidence: Evidence) -> Iterator[Finding]:
    """Find BatchNorm2d with batch_size=1, which normalizes each image by itself."""
    require_success(evidence)
    groups: dict[int, list[ForwardPass]] = {}
    for one in evidence.record.passes:
        if one.whole and one.parameters and one.received and one.modes:
            groups.setdefault(id(one.network), []).append(one)
    for passes in groups.values():
        training = [one for one in passes if one.training and evidence.flow.is_in_loss(one)]
        sizes = {one.received[0].shape[:1] for one in training}
        if len(training) < PASSES or sizes != {(1,)} or all(one.training for one in passes):
            continue
        norm = _norm(evidence, training[0])
        if norm is None:
            continue
        name, places, shape = norm
        yield Finding(
            kind="training/bn_train_eval_gap",
            message="batch normalization trains with batches of one sample: it normalizes each "
            "sample by itself, and in eval mode it does not",
            evidence=f"`{name}` computes mean and variance over inputs such as {list(shape)} in "
            f"all {len(training)} training passes; use larger batches, or GroupNorm",
            severity=Severity.WARNING,
            cause=location(training[0].places),
            symptom=location(places),
            subject=name,
            confidence=5,
        )


def _norm(
    evidence: Evidence, forward: ForwardPass
) -> tuple[str, tuple[Place, ...], tuple[int, ...]] | None:
    """Return the first batch normalization in train mode of a pass."""
    first, last = forward.moment.operators, forward.operators_at_end or 0
    for number in range(first, last):
        operator = evidence.record.operators.find(number)
        if operator is None or operator.name != "batch_norm" or not operator.places:
            continue
        if operator.literals.get(TRAINING, operator.literals.get("training")) is True:
            return operator.places[0].text, operator.places, operator.inputs[0].shape
    return None
