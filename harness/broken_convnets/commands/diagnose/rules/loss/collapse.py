"""A loss that only pulls two views together needs something that keeps the outputs apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.reach import Reaching
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name, terms
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

# Operators that may come last in a network: a constant output is possible.
LAST = frozenset({"linear", "batch_norm", "layer_norm", "relu", "relu_", "tanh", "gelu"})
PASSES = 2  # backward passes, at least
SIDES = 2


@dataclass(frozen=True)
class Pair:
    """A similarity of two outputs that a loss makes larger, and which parameters both train."""

    operator: Operator
    sides: tuple[Value, Value]
    own: tuple[frozenset[int], frozenset[int]]

    @property
    def shared(self) -> frozenset[int]:
        """The parameters that have a gradient from both sides."""
        return self.own[0] & self.own[1]


@rule(
    "a loss that makes two outputs of a network alike has a stop-gradient, or another term",
    stays_quiet="unless every backward pass of the network only increases cosine similarities of "
    "its own outputs, which have gradients on both sides",
)
def views_collapse(evidence: Evidence) -> Iterator[Finding]:
    """Find -cosine_similarity(p, z).mean() without z.detach(), negatives or any other term."""
    if any("register_hook(" in source.text for source in evidence.user_sources):
        return  # which may stop a gradient
    reaching = Reaching(evidence)
    passes = [(one, _pairs(evidence, reaching, one)) for one in _known_passes(evidence)]
    changed = {n for step in evidence.record.optimizer_steps for n in step.changed}
    pairs = [pair for _, found in passes for pair in found if pair.shared & changed]
    shared = {number for pair in pairs for number in pair.shared}
    others = [one for one, found in passes if not found and shared & set(one.received)]
    if not others and sum(bool(found) for _, found in passes) >= PASSES and pairs:
        yield _finding(evidence, pairs)


def _known_passes(evidence: Evidence) -> Iterator[BackwardPass]:
    """Yield the backward passes of which all operators were recorded."""
    passes = list(evidence.record.backward_passes)
    begin = passes[0].moment.operators if passes else 0
    ends = [first for first, _ in evidence.record.operators.gaps if first >= begin]
    yield from (one for one in passes if not ends or one.moment.operators <= ends[0])


def _finding(evidence: Evidence, pairs: list[Pair]) -> Finding:
    operator = pairs[0].operator
    return Finding(
        kind="loss",
        message="the loss is least if the network returns the same vector for all images: it only "
        "makes two outputs alike, and both sides have a gradient",
        evidence=f"all terms of the loss are {operator.name} of two outputs of one network, "
        f"{len(pairs[0].shared)} parameters have gradients from both, and there are no negatives "
        "and no other term; detach one side, and predict it from the other",
        cause=location(operator.places),
        subject=operator.places[0].text if operator.places else operator.name,
        candidates=_detached(evidence, pairs[0]),
        confidence=6,
    )


def _detached(evidence: Evidence, pair: Pair) -> tuple[Candidate, ...]:
    """Return the change that detaches the side without the predictor, if there is one."""
    site = site_of(evidence, pair.operator.places)
    fewer = 0 if pair.own[0] < pair.own[1] else 1
    if site is None or not pair.own[fewer] < pair.own[1 - fewer] or len(site.call.args) < SIDES:
        return ()
    given = site.call.args[fewer]
    new = f"{site.source.owner_text(given)}.detach()"
    return candidates((0, partial(edits.replace, site.source, [(given, new)])))


def _pairs(evidence: Evidence, reaching: Reaching, backward: BackwardPass) -> list[Pair]:
    """Return the similarities that a backward pass increases; none if it does anything else."""
    if backward.kind != "backward" or len(backward.roots) != 1:
        return []
    found: list[Pair] = []
    for term in terms(evidence, backward.roots[0]):
        if not term.value.requires_grad:
            continue
        pair = _pair(evidence, reaching, term)
        if pair is None:
            return []
        found.append(pair)
    return found


def _pair(evidence: Evidence, reaching: Reaching, term: Term) -> Pair | None:
    """Return the two outputs whose similarity is a term with a negative factor."""
    operator = evidence.record.producer(term.value)
    if operator is None or term.factor >= 0 or term.weights or not operator.places:
        return None
    sides = _sides(evidence, operator)
    if sides is None or not all(side.requires_grad and _is_last(evidence, side) for side in sides):
        return None
    one, other = (reaching.of([side]) for side in sides)
    if one.cuts or other.cuts or not (one.known and other.known):
        return None
    own = frozenset(one.parameters), frozenset(other.parameters)
    is_part = bool(own[0]) and bool(own[1]) and (own[0] <= own[1] or own[1] <= own[0])
    return Pair(operator, sides, own) if is_part else None


def _sides(evidence: Evidence, operator: Operator) -> tuple[Value, Value] | None:
    """Return the two vectors of a cosine similarity, or of a product of two normalized ones."""
    if len(operator.inputs) != SIDES:
        return None
    one, other = operator.inputs
    if operator.name == "cosine_similarity":
        return one, other
    if plain_name(operator) != "mul":
        return None
    makers = [producer(evidence, one), producer(evidence, other)]
    if any(maker is None or maker.name != "normalize" for maker in makers):
        return None
    first, second = (maker.inputs[0] for maker in makers if maker is not None)
    return first, second


def _is_last(evidence: Evidence, value: Value) -> bool:
    """Return whether a value has one vector for each sample, computed by the end of a network."""
    maker = producer(evidence, value)
    if maker is not None and maker.name == "normalize":
        maker = producer(evidence, maker.inputs[0])
    if maker is None or maker.name not in LAST or len(value.shape) != SIDES:
        return False
    # Weights that are computed, as orthogonal ones are, may keep the outputs apart.
    learned = [value.parameter for value in maker.inputs[1:]]
    if maker.name == "batch_norm":
        return any(learned)  # without them, the outputs have a variance of 1
    return maker.name != "linear" or all(learned)
