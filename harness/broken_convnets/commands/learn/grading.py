"""Grade a learner's program by the laws, and by comparison with the reference fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.allowances import may_be_lost, with_first_input
from broken_convnets.commands.learn.checks import EVERY_SEED, SIDE_EFFECTS
from broken_convnets.commands.learn.differences import differences, list_some
from broken_convnets.commands.learn.grading_result import Violation, violates
from broken_convnets.commands.learn.layer_differences import same_values
from broken_convnets.commands.learn.run_calls import dropped_calls
from broken_convnets.verdicts.declared_laws import against, violated_laws
from broken_convnets.verdicts.judge import disagreement
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.commands.learn.facts import LearnerFacts, LearnerObservation
    from broken_convnets.corpus.entries import Case
    from broken_convnets.observe.facts import Observation
    from broken_convnets.sandbox.job import JobResult


def violations(
    case: Case, source: str, program: LearnerObservation, reference: LearnerObservation
) -> list[Violation]:
    """Return what a program that raised nothing violates in its first run; nothing for a right fix.

    `source` is its text, `reference` the run of our fix. A law that applies to the reference and
    no longer applies to the program counts as violated.
    """
    facts, ours = program.facts, reference.facts
    found = _dropped_calls(case, source, facts, ours)
    shown = with_first_input(case, program.observation, facts)
    found += _violated_laws(case, shown, facts, reference)
    return found or differences(case, facts, ours)


def violations_by_seed(
    case: Case, facts: LearnerFacts, runs: list[JobResult[Observation]]
) -> list[Violation]:
    """Return what a program violates with one of the seeds, or how its runs differ.

    `facts` describe the first of the runs. An allowance for its inputs holds for every seed.
    """
    first = runs[0].answer
    allowed = set(case.spec.waive)
    if first and with_first_input(case, first, facts).given != first.given:
        allowed.add(Law.INPUTS_AS_DECLARED)
    notes = {
        law: note
        for run in runs[1:]
        if run.answer
        for law, note in against(case.healthy, run.answer).items()
        if law not in allowed
    }
    if notes:
        return [violates(law, note) for law, note in notes.items()]
    unsteady = disagreement("learner's", runs)
    if unsteady is None:
        return []
    return [violates(EVERY_SEED, f"{unsteady.declared}; with another seed, {unsteady.happened}")]


def _dropped_calls(
    case: Case, source: str, seen: LearnerFacts, reference: LearnerFacts
) -> list[Violation]:
    same = same_values(seen.result, reference.result)
    dropped = dropped_calls(case, source, same_result=same)
    return [violates(SIDE_EFFECTS, f"it no longer calls {list_some(dropped)}")] if dropped else []


def _violated_laws(
    case: Case, seen: Observation, facts: LearnerFacts, reference: LearnerObservation
) -> list[Violation]:
    notes = against(case.healthy, seen)
    waived = set(case.spec.waive)
    found = [
        violates(law, notes.get(law) or seen.laws[law].note)
        for law in sorted(violated_laws(case.healthy, seen) - waived)
    ]
    lost = [
        law
        for law, finding in reference.observation.laws.items()
        if finding.holds
        and _holds(seen, law) is None
        and law not in waived
        and not may_be_lost(case, law, facts, reference.facts)
    ]
    return found + [_no_longer_applies(law, seen.laws[law].note) for law in sorted(lost)]


def _no_longer_applies(law: Law, note: str) -> Violation:
    return Violation(str(law), law.description, "this law no longer applies to the program", note)


def _holds(seen: Observation, law: Law) -> bool | None:
    finding = seen.laws.get(law)
    return None if finding is None else finding.holds
