"""The hardest pairs of a triplet loss: the farthest positive sample, and the nearest negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

DISTANCES = frozenset({"cdist", "pairwise_distance", "dist", "norm", "vector_norm"})
PRODUCTS = frozenset({"matmul", "__matmul__", "mm", "cosine_similarity", "bmm", "einsum"})
LARGEST = frozenset({"max", "amax", "maximum"})
SMALLEST = frozenset({"min", "amin", "minimum"})
MASKS = TRANSPARENT | {"where", "masked_fill", "masked_select", "index_select", "gather", "clone"}
ARITHMETIC = frozenset({"mul", "add", "sub", "rsub", "neg", "masked_fill"})
HINGES = frozenset({"relu", "clamp", "clamp_min", "softplus", "clip"})
STEPS = 10  # operators from a distance to its extreme, and from there to the difference
VIEWS = TRANSPARENT | {"expand", "__get__ mT", "__get__ H", "adjoint"}
PAIR = 2


@dataclass(frozen=True)
class Extreme:
    """The largest or smallest of the distances from a sample, and where they were computed.

    `negated` says that it falls where the measure grows, as 1 - similarity does. `turned` says the
    same of it and the extreme: -max(-d) is the minimum of d.
    """

    operator: Operator
    measure: Operator
    negated: bool
    turned: bool

    @property
    def largest(self) -> bool:
        """Whether it is a maximum."""
        return (self.operator.name in LARGEST) is not self.turned

    @property
    def is_distance(self) -> bool:
        """Whether it grows where two samples are less alike."""
        return (self.measure.name in DISTANCES) is not self.negated


@dataclass(frozen=True)
class Difference:
    """`positive - negative`, of which a hinge is taken."""

    operator: Operator
    positive: Extreme
    negative: Extreme


@rule(
    "a triplet loss compares the farthest positive sample with the nearest negative one",
    stays_quiet="unless a hinge in the loss has the difference of two maxima or of two minima over "
    "one matrix of distances of a batch to itself; a warning for the nearest positive sample, "
    "which some losses choose",
)
def easiest_sample_is_mined(evidence: Evidence) -> Iterator[Finding]:
    """Find `relu(d_pos.max(1)[0] - d_neg.max(1)[0] + margin)`."""
    require_success(evidence)
    for one in _differences(evidence):
        if one.positive.largest is not one.negative.largest:
            continue
        distance, largest = one.positive.is_distance, one.positive.largest
        # Of distances the negative should be the least one, the positive the greatest.
        wrong = one.negative if largest == distance else one.positive
        who = "negative" if wrong is one.negative else "positive"
        is_now, should = ("largest", "smallest") if largest else ("smallest", "largest")
        what = "distance" if distance else "similarity"
        yield Finding(
            kind="loss/triplet_mining",
            message=f"the {who} sample of each triplet is the easiest one: it has the {is_now} "
            f"{what} instead of the {should}",
            evidence=f"`{one.operator.places[0].text}` is the difference of two "
            f"{'maxima' if largest else 'minima'} over the {what} that "
            f"`{one.positive.measure.places[0].text}` computes; the hardest {who} sample has the "
            f"{should} one",
            cause=location(wrong.operator.places),
            symptom=location(one.operator.places),
            subject=wrong.operator.places[0].text,
            severity=Severity.ERROR if who == "negative" else Severity.WARNING,
            confidence=7,
        )
        return


def _differences(evidence: Evidence) -> Iterator[Difference]:
    """Yield the differences of extremes that a hinge in a loss is taken of."""
    for hinge in evidence.record.operators:
        hinged = plain_name(hinge) in HINGES and hinge.inputs and not hinge.layer
        if hinged and evidence.flow.backward_passes_from(hinge.outputs):
            found = _difference(evidence, hinge.inputs[0])
            if found is not None:
                yield found


def _difference(evidence: Evidence, value: Value) -> Difference | None:
    """Return the difference of two extremes that a value is, with a margin or without."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        name, two = plain_name(operator), len(operator.inputs) == PAIR
        if name == "sub" and two and operator.places:
            first, second = (_extreme(evidence, one) for one in operator.inputs)
            if first is not None and second is not None:
                same = first.measure is second.measure and first.negated is second.negated
                pair = (first, second) if first.is_distance else (second, first)
                of_batch = _compares_batch_with_itself(evidence, first.measure)
                return Difference(operator, *pair) if same and of_batch else None
        if name not in {"add", "sub", "mul", "div"} | TRANSPARENT:
            return None
        value = next((v for v in operator.inputs if v.requires_grad), operator.inputs[0])
    return None


def _extreme(evidence: Evidence, value: Value) -> Extreme | None:
    """Return the extreme over distances that a value is."""
    extreme, negated, turned = None, False, False
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        name = plain_name(operator)
        if operator.name in DISTANCES | PRODUCTS:
            found = extreme is not None and extreme.places and operator.places
            return Extreme(extreme, operator, negated, turned) if extreme and found else None
        if operator.name in LARGEST | SMALLEST and extreme is None:
            extreme, turned = operator, negated
        elif name not in ARITHMETIC and operator.name not in MASKS:
            return None
        after = next((v for v in operator.inputs if v.requires_grad), operator.inputs[0])
        second = name == "sub" and after is not operator.inputs[0]
        factor = number_in(operator) or 1
        negated ^= second or name in {"rsub", "neg"} or (name == "mul" and factor < 0)
        value = after
    return None


def _compares_batch_with_itself(evidence: Evidence, measure: Operator) -> bool:
    """Return whether both sides of a matrix of distances are the same embeddings."""
    sides = measure.inputs
    if len(sides) == 1:
        difference = evidence.record.producer(sides[0])
        sides = difference.inputs if difference is not None else ()
    bases = [_base(evidence, one) for one in sides[:PAIR]]
    return len(bases) == PAIR and bases[0] is bases[1]


def _base(evidence: Evidence, value: Value) -> Value:
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in VIEWS or not operator.inputs:
            break
        value = operator.inputs[0]
    return value
