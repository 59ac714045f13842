"""Images that are mixed with other images of the batch have the labels of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.mixtures import mixture_of
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.mixtures import Mixture
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.values import Value

CLASSES = frozenset({"cross_entropy", "nll_loss"})
LESS = 0.4  # weight of the sample whose label is used, at most, in one of the steps
REPEATS = 2  # steps with such a weight
STEPS = 8
READING = frozenset({"stack", "tensor", "as_tensor", "from_numpy", "randint"})  # make labels


@rule(
    "samples that are mixed have the labels of both",
    stays_quiet="unless the images of a batch are mixed with those of other samples, the weight of "
    "their own image is below one half in some steps, and the losses read unmixed labels only",
)
def labels_not_mixed(evidence: Evidence) -> Iterator[Finding]:
    """Find mixup whose loss has the labels of one of the two samples alone."""
    require_success(evidence)
    roots = {root for one in evidence.record.backward_passes for root in one.roots}
    found = [
        (mixture, call)
        for call in evidence.record.losses
        if call.name in CLASSES
        and not call.target.dtype.is_floating_point
        and not roots.isdisjoint(call.operator.outputs)  # no part of a sum with another loss
        for mixture in [_mixture(evidence, call)]
        if mixture is not None
    ]
    least = [m.own for m, _ in found if isinstance(m.own, float) and m.own <= LESS]
    targets = {v for call in evidence.record.losses for v in call.operator.inputs[1:2]}
    if len(least) < REPEATS or any(_is_of_others(evidence, one) for one in targets):
        return
    mixture, call = found[0]
    if mixture.operator.places:
        yield Finding(
            kind="data/pairs_out_of_order",
            message="images are mixed with other images, but the loss has the labels of one of "
            "them only",
            evidence=f"`{mixture.operator.places[0].text}` weighs the image of the label by "
            f"{min(least):.2f} in one of {len(found)} steps, and {call.name} reads the label as "
            "if it were alone; add the loss of the other label, weighed like its image",
            cause=location(call.operator.places),
            symptom=location(mixture.operator.places),
            subject=mixture.operator.places[0].text,
            confidence=7,
        )


def _mixture(evidence: Evidence, call: LossCall) -> Mixture | None:
    """Return how the inputs are mixed that a network computed the input of a loss from."""
    forward = evidence.flow.pass_of(call.operator.inputs[0])
    if forward is None or not forward.received:
        return None
    return mixture_of(evidence, evidence.record.producer(forward.received[0]))


def _is_of_others(evidence: Evidence, labels: Value) -> bool:
    """Return whether labels were reordered or computed, such as those of the other samples."""
    value = labels
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None:
            return False
        if operator.name not in TRANSPARENT:
            return operator.name not in READING
        before = operator.inputs[0]
        # `labels[8:16]` are those of the batch; `labels[order]` may be those of other samples.
        ordered = operator.name == "__getitem__" and before.shape[:1] == value.shape[:1]
        if ordered or len(operator.inputs) > 1:
            return True
        value = before
    return True
