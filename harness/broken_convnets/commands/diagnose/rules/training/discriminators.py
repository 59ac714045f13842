"""A discriminator learns to tell fakes from real samples, and its generator works against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.adversaries import (
    LOOKS,
    backward_numbers,
    judgments,
    opponents,
    outputs_of,
    terms_of,
)
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.commands.diagnose.rules.training.adversaries import Judged
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep
    from broken_convnets.observe.recorder.values import Value

STEPS = 2  # of each optimizer, at least


@rule(
    "a discriminator learns different labels for fakes and for real samples",
    stays_quiet="unless each of its steps has the same label for what a generator made and for "
    "other samples, and the generator is judged by it",
)
def one_label_for_both(evidence: Evidence) -> Iterator[Finding]:
    """Find a discriminator whose fakes have the label of real samples."""
    require_success(evidence)
    for own, others in opponents(evidence):
        made = outputs_of(evidence, own)
        learned = [judgments(evidence, step, made) for step in others[:LOOKS]]
        judged = [one for step in own[:LOOKS] for one in judgments(evidence, step, made)]
        if len(learned) < STEPS or not any(one.fake for one in judged):
            continue
        if all(map(_has_one_label, learned)):
            yield _finding(learned[0])


def _has_one_label(learned: list[Judged]) -> bool:
    """Return whether fakes and real samples are judged, all by one label."""
    return {one.fake for one in learned} == {True, False} and len({o.label for o in learned}) == 1


def _finding(learned: list[Judged]) -> Finding:
    fake = next(one.call.operator.places for one in learned if one.fake)
    real = next(one.call.operator.places for one in learned if not one.fake)
    return Finding(
        kind="loss/wrong_loss",
        message=f"the discriminator learns the label {learned[0].label:g} for fakes and for real "
        "samples alike",
        evidence=f"`{fake[0].text}` has the target {learned[0].label:g} for what the generator "
        f"made, as `{real[0].text}` has for real samples: it learns to ignore its input",
        cause=location(fake),
        symptom=location(real),
        subject=fake[0].text,
        confidence=7,
    )


@rule(
    "a generator raises the score of its samples that the critic lowers",
    stays_quiet="unless the mean score of fakes is a term of both losses, with factors of the same "
    "sign in all steps of minimizing optimizers, from two backward passes, and the critic has the "
    "score of other samples with the opposite sign",
)
def generator_helps_critic(evidence: Evidence) -> Iterator[Finding]:
    """Find a WGAN whose generator minimizes `critic(fake).mean()`, as the critic does."""
    require_success(evidence)
    for own, others in opponents(evidence):
        made = outputs_of(evidence, own)
        theirs = _scores(evidence, others, made)
        ours = _scores(evidence, own, made)
        if min(len(theirs), len(ours)) < STEPS:
            continue
        if not _opposes_others(evidence, others, made, theirs[0]):
            continue
        if backward_numbers(own) & backward_numbers(others):
            continue  # one loss for both, as with a layer that reverses gradients
        signs = {term.factor > 0 for term in (*theirs, *ours)}
        places = [one.places for one in reversed(ours[0].path) if one.places]
        opposite = [one.places for one in reversed(theirs[0].path) if one.places]
        if len(signs) > 1 or not places or not opposite:
            continue
        verb = "lowers" if ours[0].factor > 0 else "raises"
        yield Finding(
            kind="loss/wrong_loss",
            message=f"the generator {verb} the score of its samples, as the critic does",
            evidence=f"`{places[0][0].text}` has the factor {ours[0].factor:+.3g} in the loss of "
            f"the generator, and `{opposite[0][0].text}` has {theirs[0].factor:+.3g} in the loss "
            "of the critic: a generator works against its critic",
            cause=location(places[0]),
            symptom=location(opposite[0]),
            subject=places[0][0].text,
            confidence=7,
        )


def _scores(evidence: Evidence, steps: list[OptimizerStep], made: set[Value]) -> list[Term]:
    """Return the term of each step that is the score of what a generator made, as it is."""
    found = []
    for step in steps[:LOOKS]:
        fakes = [term for term in terms_of(evidence, step) if _is_score(evidence, term, made)]
        if len(fakes) != 1:
            return []
        found += fakes
    return found


def _opposes_others(
    evidence: Evidence, steps: list[OptimizerStep], made: set[Value], fake: Term
) -> bool:
    """Return whether a critic has the score of other samples with the opposite sign."""
    return all(
        any(
            term.factor * fake.factor < 0
            and evidence.flow.pass_of(term.value) is not None
            and not _is_score(evidence, term, made)
            for term in terms_of(evidence, step)
        )
        for step in steps[:LOOKS]
    )


def _is_score(evidence: Evidence, term: Term, made: set[Value]) -> bool:
    """Return whether a term is what a network returned for the output of a generator."""
    judge = evidence.flow.pass_of(term.value)
    return judge is not None and any(
        not made.isdisjoint(evidence.flow.ancestors([value])) for value in judge.received
    )
