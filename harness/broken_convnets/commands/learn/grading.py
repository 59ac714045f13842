"""Grade a learner's program by the laws, and by comparison with the reference fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.learn.allowances import count, may_be_lost, with_first_input
from broken_convnets.commands.learn.checks import (
    APPLIES_HERE,
    CHANNELS,
    CONTRACT,
    DEPENDENCIES,
    DISTINCT_VALUES,
    EVERY_SEED,
    OUTPUT_GRADIENTS,
    PATHS,
    REQUIRED_LAYERS,
    SIDE_EFFECTS,
    Check,
)
from broken_convnets.commands.learn.editable_parts import dropped_calls, is_unchanged
from broken_convnets.commands.learn.layer_differences import (
    detached,
    lost_paths,
    mixed_channels,
    same_values,
)
from broken_convnets.verdicts.declared_laws import against, violated_laws
from broken_convnets.verdicts.judge import disagreement
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.commands.learn.editable_parts import GradedProgram
    from broken_convnets.commands.learn.facts import LearnerFacts, LearnerObservation
    from broken_convnets.corpus.entries import Case
    from broken_convnets.observe.facts import Observation
    from broken_convnets.sandbox.job import JobResult

ADVISORY = {Law.EXPORTS}  # a fix may violate it, unless the case is about it
LISTED = 3  # names in one sentence


class Violation(Struct, frozen=True):
    """A law or check that a program violates: the rule, what is wrong, and what was observed."""

    law: str
    description: str
    violation: str
    note: str


class GradingResult(Struct, frozen=True):
    """The outcome of grading a learner's program."""

    id: str
    solved: bool
    failure: str = ""  # how it raised, timed out or crashed, on one line
    traceback: str = ""
    violations: list[Violation] = []
    advice: list[Violation] = []  # violations that do not prevent `solved`
    restored: list[str] = []  # definitions for which the original was graded
    printed: str = ""
    layers: list[str] = []  # the layer trace


def not_applicable(release: str) -> Violation:
    """Return the violation for a case that does not apply to this release of torch."""
    return violates(APPLIES_HERE, f"does not apply to torch {release}; skip to the next case")


def refused(case: Case, sentences: list[str]) -> GradingResult:
    """Return the result for a program that violates the contract, which is not run."""
    return GradingResult(
        case.id, solved=False, violations=[violates(CONTRACT, text) for text in sentences]
    )


def violates(rule: Law | Check, note: str) -> Violation:
    """Return the violation of a law or check; `note` says what was observed."""
    return Violation(str(rule), rule.description, rule.violation, note)


def is_advice(case: Case, violation: Violation) -> bool:
    """Return whether a fix may be right in spite of this violation."""
    return violation.law in ADVISORY - case.spec.broken.violates


def failure(result: JobResult[Observation]) -> str:
    """Return in one line how a program failed; empty if it ran to its end."""
    seen = result.answer
    if seen is None:
        return f"{result.status}: {result.detail}"
    if seen.raised is None:
        return ""
    message = seen.raised.message.strip().partition("\n")[0]
    return f"{seen.raised.type}: {message}"


def violations(
    case: Case,
    program: GradedProgram,
    runs: list[JobResult[Observation]],
    facts: LearnerFacts,
    reference: LearnerObservation,
) -> list[Violation]:
    """Return everything that a program violates; nothing for a right fix.

    `runs` holds one observation per seed, of a program that raised nothing; `facts` describe the
    first run. `reference` is the run of our fix. A law that applies to the reference and no longer
    applies to the program counts as violated.
    """
    seen = runs[0].answer
    if seen is None:
        return []
    found: list[Violation] = []
    same = same_values(facts.result, reference.facts.result)
    dropped = dropped_calls(case, program.source, same_result=same)
    if dropped:
        found.append(violates(SIDE_EFFECTS, f"it no longer calls {_some(dropped)}"))
    shown = with_first_input(case, seen, facts)
    found += _violated_laws(case, shown, facts, reference)
    # An allowance for the inputs holds for every seed.
    allowed = {*case.spec.waive, *({Law.INPUTS_AS_DECLARED} if shown.given != seen.given else ())}
    for run in runs[1:]:  # the inputs differ from seed to seed
        wrong = against(case.healthy, run.answer) if run.answer and not found else {}
        found += [violates(law, note) for law, note in wrong.items() if law not in allowed]
    if not found:
        found += _differences(case, facts, reference.facts)
    unsteady_run = disagreement("learner's", runs)
    if unsteady_run and not found:
        note = f"{unsteady_run.declared}; with another seed, {unsteady_run.happened}"
        found.append(violates(EVERY_SEED, note))
    return found


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


def _differences(case: Case, seen: LearnerFacts, reference: LearnerFacts) -> list[Violation]:
    """Compare what the program's run uses with what the reference's run uses."""
    found = [
        violates(
            REQUIRED_LAYERS,
            f"the run calls {seen.layers.get(kind, 0)} {kind}; the fix calls {calls}",
        )
        for kind, calls in reference.layers.items()
        if count(seen, kind) < count(reference, kind)
        and seen.layers.get(kind, 0) < calls
        and is_unchanged(case, kind)
    ]
    theirs, ours = set(seen.parameters), set(reference.parameters)
    missing = [
        name
        for name in reference.depends_on
        if name not in seen.depends_slightly and (name in theirs or name not in ours)
    ]
    if missing:
        found.append(violates(DEPENDENCIES, f"the result does not depend on {_some(missing)}"))
    extra = [
        name
        for name in seen.depends_on
        if name not in reference.depends_on and name in theirs & ours
    ]
    if extra:
        found.append(
            violates(DEPENDENCIES, f"the result depends on {_some(extra)}, which it should not")
        )
    found += _layer_differences(seen, reference)
    merged = _merged(seen.equal_values, reference.equal_values)
    return found + [violates(DISTINCT_VALUES, text) for text in merged]


def _layer_differences(seen: LearnerFacts, reference: LearnerFacts) -> list[Violation]:
    if seen.by_layer is None or reference.by_layer is None:
        return []
    names = {name.rpartition(".")[0] for name in {*seen.parameters} & {*reference.parameters}}
    lost = lost_paths(seen.by_layer, reference.by_layer, names)
    mixed = mixed_channels(seen.by_layer, reference.by_layer, names)
    found = []
    if lost:
        found.append(violates(PATHS, f"there is no longer a path around {_some(lost)}"))
    if mixed:
        found.append(violates(CHANNELS, f"the output treats channels of {_some(mixed)} alike"))
    cut = detached(seen.by_layer, reference.by_layer, names)
    if cut:
        note = f"finite differences differ from the gradients of {_some(cut)}, as after a detach"
        found.append(violates(OUTPUT_GRADIENTS, note))
    return found


def _some(names: list[str]) -> str:
    few = ", ".join(names[:LISTED])
    return few + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _merged(seen: dict[str, list[int]], reference: dict[str, list[int]]) -> list[str]:
    """Say where values are equal that differ in the reference's data."""
    found = []
    for name, ours in reference.items():
        theirs = seen.get(name)
        if theirs is None or len(theirs) != len(ours):
            continue
        if len(set(zip(theirs, ours, strict=True))) > len(set(theirs)):
            found.append(f"{name}: {len(set(theirs))} distinct values instead of {len(set(ours))}")
    return found
