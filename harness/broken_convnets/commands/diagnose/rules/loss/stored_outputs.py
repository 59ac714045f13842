"""The outputs that a loss compares with stored ones belong to the same samples."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.loss_signs import sign_in_loss
from broken_convnets.commands.diagnose.rules.loss.output_rows import OutputRows, Source
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

LOSSES = frozenset(
    {"kl_div", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "cross_entropy"}
    | {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
)
OF_TWO_NETWORKS = frozenset({"sub", "mul", "cosine_similarity"})  # as a part of a loss
COMPARED = 3  # batches, at least
CHANCE = 0.1  # of the samples, that are at their own position by chance
NEARLY_ALL = 0.9
CHANGED = 0.5  # of the samples that were compared twice
SAMPLES = 8  # of these, at least


@dataclass(eq=False)
class Compared:
    """The comparisons at one place of outputs of a network with stored ones, by their samples."""

    operator: Operator  # the first one
    stored: ForwardPass  # one that returned stored outputs
    batches: int = 0
    samples: int = 0
    equal: int = 0  # of these, compared with the output of the same sample
    known: set[int] = field(default_factory=set)  # samples whose outputs are stored
    partners: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, own: Source, other: Source) -> None:
        """Add one comparison."""
        self.batches += 1
        self.samples += len(own.rows)
        self.equal += sum(a == b for a, b in zip(own.rows, other.rows, strict=True))
        self.known.update(other.rows)
        for one, partner in zip(own.rows, other.rows, strict=True):
            self.partners[one].append(partner)

    @property
    def is_mistaken(self) -> bool:
        """Whether hardly any sample is compared with its own output, and with others each time."""
        again = [partners for partners in self.partners.values() if len(partners) > 1]
        changed = [partners for partners in again if len(set(partners)) > 1]
        has_own = sum(sample in self.known for sample in self.partners)
        return (
            self.batches >= COMPARED
            and self.equal <= CHANCE * self.samples
            and has_own >= NEARLY_ALL * len(self.partners)
            and len(changed) >= max(SAMPLES, CHANGED * len(again))
        )


@rule(
    "a loss compares stored outputs with the outputs of the same samples",
    stays_quiet="about outputs that are computed in the same step, samples that were never given "
    "to the other network as they are, samples that are compared with the same other one in "
    "each epoch, as the next frame, and terms that push both apart",
)
def stored_outputs_of_other_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find outputs that are stored by the number of the batch of a loader that shuffles."""
    for one in _compared(evidence):
        if not one.is_mistaken:
            continue
        cause = _stored_at(one)
        yield Finding(
            kind="data/pairs_out_of_order",
            message="a loss compares outputs with stored outputs of other samples",
            evidence=f"{one.equal} of {one.samples} outputs are compared with the stored output of "
            "the same sample, although there is one; each epoch compares other pairs, as the order "
            "of the samples changes",
            cause=location(cause),
            symptom=location(one.operator.places),
            subject=cause[0].text if cause else "",
            cases=("data/pairs_out_of_order",),
            confidence=7,
        )


def _compared(evidence: Evidence) -> list[Compared]:
    outputs = OutputRows(evidence)
    found: dict[object, Compared] = {}
    for operator in evidence.record.operators:
        pair = _pair(outputs, operator)
        if pair is None:
            continue
        own, other = pair
        if _pushes_apart(evidence, operator):
            continue
        if plain_name(operator) in OF_TWO_NETWORKS and own.forward.network is other.forward.network:
            continue
        key = operator.places[:1], own.forward.network, other.forward.network
        found.setdefault(key, Compared(operator, other.forward)).add(own, other)
    return list(found.values())


def _pushes_apart(evidence: Evidence, operator: Operator) -> bool:
    """Return whether a loss is smaller where two outputs differ more, as for negative pairs."""
    alike = plain_name(operator) in {"mul", "cosine_similarity"}  # larger where they are alike
    return sign_in_loss(evidence, operator) == (1 if alike else -1)


def _pair(outputs: OutputRows, operator: Operator) -> tuple[Source, Source] | None:
    """Return the outputs that an operator compares: with a gradient, and stored before a step."""
    if plain_name(operator) not in LOSSES | OF_TWO_NETWORKS or len(operator.inputs) < 2:  # noqa: PLR2004  (output and target)
        return None
    one, two = operator.inputs[:2]
    if one.shape != two.shape or one.requires_grad == two.requires_grad:
        return None
    own, other = outputs.of(one), outputs.of(two)
    if own is None or other is None or len(own.rows) != len(other.rows):
        return None
    if not one.requires_grad:
        own, other = other, own
    is_stored = other.forward.moment.optimizer_steps < own.forward.moment.optimizer_steps
    return (own, other) if is_stored else None


def _stored_at(one: Compared) -> tuple[Place, ...]:
    """Return where the outputs are stored, from the call in the code that runs the training."""
    training = {(place.file, place.function) for place in one.operator.places}
    places = one.stored.places
    shared = (at for at, p in enumerate(places) if (p.file, p.function) in training)
    return places[next(shared, 0) :]
