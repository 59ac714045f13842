"""A generator is trained to be taken for real: its loss has the label of real samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.descent import maximizes
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep
    from broken_convnets.observe.recorder.values import Value

JUDGMENTS = frozenset({"binary_cross_entropy_with_logits", "binary_cross_entropy", "mse_loss"})
STEPS = 2  # of the generator, at least
KEEPING = TRANSPARENT | {"sigmoid", "mean", "clamp"}  # operators on scores
STEPS_TO_SCORE = 8
LOOKS = 8  # steps that are looked at


class Judged(NamedTuple):
    """A loss that compares the scores of a discriminator with one label for all samples."""

    call: LossCall
    label: float
    fake: bool  # whether a generator made the samples


@rule(
    "a generator is trained with the label of real samples",
    stays_quiet="unless the discriminator learns one label for all real samples and another one "
    "for all fakes, and the generator's loss has the latter in every step",
)
def generator_with_label_of_fakes(evidence: Evidence) -> Iterator[Finding]:
    """Find GANs whose generator learns to be recognized as a fake."""
    for own, others in opponents(evidence):
        made = outputs_of(evidence, own)
        steps = others[:LOOKS] if made else []
        learned = [one for step in steps for one in judgments(evidence, step, made)]
        fakes = {judged.label for judged in learned if judged.fake}
        reals = {judged.label for judged in learned if not judged.fake}
        wrong = _of_generator(evidence, own[:LOOKS], made) if learned else []
        labels = {judged.label for judged in wrong}
        if len(fakes) == len(reals) == 1 and fakes != reals and labels == fakes:
            yield _finding(wrong[0], learned, *reals)


def _finding(wrong: Judged, learned: list[Judged], real: float) -> Finding:
    places = wrong.call.operator.places
    other = next(one.call.operator.places for one in learned if one.fake)
    return Finding(
        kind="loss/wrong_loss",
        message=f"the generator is trained with the label {wrong.label:g}, which the discriminator "
        "learns for fakes",
        evidence=f"{other[0].text} teaches the discriminator that fakes are {wrong.label:g} and "
        f"real samples {real:g}, and {places[0].text} rewards the generator for being "
        f"recognized; its label should be {real:g}",
        cause=location(places),
        symptom=location(other),
        subject=places[0].text,
        confidence=6,
    )


def opponents(evidence: Evidence) -> Iterator[tuple[list[OptimizerStep], list[OptimizerStep]]]:
    """Yield the steps of two optimizers that share no parameter, each one as the generator's.

    None if the program maximizes, so that signs and labels have the opposite meaning.
    """
    if maximizes(evidence):
        return
    steps: dict[tuple[int, ...], list[OptimizerStep]] = {}
    for step in evidence.record.optimizer_steps:
        steps.setdefault(step.parameters, []).append(step)
    if len(steps) == 2 and not set.intersection(*map(set, steps)):  # noqa: PLR2004  (two networks)
        one, other = steps.values()
        yield one, other
        yield other, one


def outputs_of(evidence: Evidence, steps: list[OptimizerStep]) -> set[Value]:
    """Return what the networks returned that these steps train."""
    own = set(steps[0].parameters)
    passes = (p for p in evidence.record.passes if p.parameters and own.issuperset(p.parameters))
    return {value for one in passes for value in one.returned}


def _of_generator(evidence: Evidence, steps: list[OptimizerStep], made: set[Value]) -> list[Judged]:
    """Return the judgment that each step of a generator learns from; nothing if one differs."""
    found = [judgments(evidence, one, made) for one in steps]
    if len(found) < STEPS or any(len(one) != 1 or not one[0].fake for one in found):
        return []
    return [one[0] for one in found]


def judgments(evidence: Evidence, step: OptimizerStep, made: set[Value]) -> list[Judged]:
    """Return the losses that a step learns from and that have one label for all samples."""
    calls = {call.operator.number: call for call in evidence.record.losses}
    found = []
    for term in terms_of(evidence, step):
        call = calls.get(term.value.operator) if term.value.operator is not None else None
        if call is None or call.name not in JUDGMENTS or term.factor <= 0:
            continue
        if not _is_score_itself(evidence, call.operator.inputs[0]):
            continue
        if call.target.minimum == call.target.maximum:
            fake = not made.isdisjoint(evidence.flow.ancestors(call.operator.inputs[:1]))
            found.append(Judged(call, call.target.minimum, fake))
    return found


def _is_score_itself(evidence: Evidence, value: Value) -> bool:
    """Return whether a loss receives what a network returned, or the probability of it.

    For its negative or 1 minus it, a label has the opposite meaning, and gradients have none.
    """
    for _ in range(STEPS_TO_SCORE):
        if evidence.flow.pass_of(value) is not None:
            return True
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs or operator.name not in KEEPING:
            return False
        value = operator.inputs[0]
    return False


def backward_numbers(steps: list[OptimizerStep]) -> set[int]:
    """Return the numbers of the backward passes whose gradients are in any of some steps."""
    held = (step.holds.get(key, ()) for step in steps for key in step.parameters)
    return {number for numbers in held for number in numbers[-1:]}


def terms_of(evidence: Evidence, step: OptimizerStep) -> list[Term]:
    """Return the terms of the losses that a step learns from."""
    roots = [root for backward in _used(evidence, step) for root in backward.roots]
    return [term for root in roots for term in terms(evidence, root)]


def _used(evidence: Evidence, step: OptimizerStep) -> list[BackwardPass]:
    """Return the last backward pass in each gradient of a step's parameters."""
    numbers = {step.holds[key][-1] for key in step.parameters if step.holds.get(key)}
    found = (evidence.record.backward_passes.find(number) for number in numbers)
    return [one for one in found if one is not None]
