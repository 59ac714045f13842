"""A contrastive loss compares each sample with others, not with itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.rules.loss.producers import producer, shown
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PRODUCTS = frozenset({"matmul", "__matmul__", "mm"})
TURNS = frozenset({"t", "transpose", "__get__ T", "__get__ mT", "permute", "contiguous"})
SCALES = frozenset(
    {"div", "__truediv__", "mul", "__mul__", "__rmul__", "contiguous", "float", "to"}
)
STEPS = 4


@rule(
    "the similarities of a contrastive loss leave out each sample with itself",
    stays_quiet="unless cross_entropy receives, only scaled, the products of all samples of a "
    "batch with the same samples, and if the target of each sample is its own number",
)
def sample_is_its_own_negative(evidence: Evidence) -> Iterator[Finding]:
    """Find `F.cross_entropy(z @ z.t() / temperature, target)` with the diagonal in it."""
    for calls in by_place(evidence, "cross_entropy"):
        call = calls[0]
        product = _product(evidence, call.operator.inputs[0])
        targets = [producer(evidence, one) for one in call.operator.inputs[1:2]]
        own = any(one is not None and one.name == "arange" for one in targets)
        if product is None or not product.places or own:
            continue
        count = call.operator.inputs[0].shape[0]
        yield Finding(
            kind="loss/triplet_mining",
            message="the softmax of the contrastive loss includes the similarity of each sample "
            "with itself",
            evidence=f"cross_entropy at {shown(call.operator.places)} receives the {count} x "
            f"{count} products of {count} samples with themselves, with the diagonal, which is "
            "the greatest: set it to -inf first",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(product.places),
            symptom=location(call.operator.places),
            subject=product.places[0].text,
            confidence=7,
        )


def _product(evidence: Evidence, scores: Value) -> Operator | None:
    """Return the product of samples with themselves that scores are a multiple of."""
    if len(scores.shape) != 2 or scores.shape[0] != scores.shape[1]:  # noqa: PLR2004  (a matrix)
        return None
    value = scores
    for _ in range(STEPS):
        made = evidence.record.producer(value)
        if made is None or not made.inputs:
            return None
        if made.name in PRODUCTS:
            same = _source(evidence, made.inputs[0]) is _source(evidence, made.inputs[-1])
            return made if same and len(made.inputs) > 1 else None
        if made.name not in SCALES or len(made.inputs) > 1:
            return None
        value = made.inputs[0]
    return None


def _source(evidence: Evidence, value: Value) -> Value:
    """Return the value that another one is a transposed copy of."""
    for _ in range(STEPS):
        made = evidence.record.producer(value)
        if made is None or made.name not in TURNS or not made.inputs:
            break
        value = made.inputs[0]
    return value
