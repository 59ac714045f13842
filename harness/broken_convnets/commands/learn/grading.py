"""Judge a learner's program: by the laws, and by what it must still compute; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.learn.editable_parts import dropped_calls, is_kept
from broken_convnets.commands.learn.facts import LearnerObservation
from broken_convnets.verdicts.judge import against, broken_laws, unsteady
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.commands.learn.editable_parts import Judged
    from broken_convnets.commands.learn.facts import LearnerFacts
    from broken_convnets.corpus.entries import Case
    from broken_convnets.observe.facts import Observation
    from broken_convnets.sandbox.job import JobResult

LAYERS = "layers-take-part"
WORK = "run-does-its-work"
FOLLOWS = "result-follows"
DATA = "data-kept"
IMPORTS = "nothing-silenced"
STEADY = "every-seed"
HERE = "fails-here"
PROMISES = {
    LAYERS: "Every layer that the task needs takes part in the run.",
    WORK: "The run goes on to do what it is for.",
    FOLLOWS: "The result of the run depends on every parameter, input and target it should.",
    DATA: "Values of the inputs and targets that differ go on to differ.",
    IMPORTS: "A program uses no module that could silence a failure.",
    HERE: "The case fails, and its fix works, under this release of torch.",
    STEADY: "The program does the same under every seed.",
}


class Breach(Struct, frozen=True):
    """One promise that a program does not keep, and what was seen."""

    law: str
    promise: str
    note: str


ADVICE = {Law.EXPORTS}  # where it is not the point of a case, a fix is right without it


class Result(Struct, frozen=True):
    """What became of a learner's program."""

    id: str
    solved: bool
    failure: str = ""  # how it raised, hung or crashed, in one line
    traceback: str = ""
    breaches: list[Breach] = []
    advice: list[Breach] = []  # of a program that is solved
    restored: list[str] = []  # definitions that were judged as they are in the case
    printed: str = ""
    layers: list[str] = []  # the shape trace


def not_here(release: str) -> Breach:
    """Return what to say of a case that is for other releases of torch."""
    return Breach(HERE, PROMISES[HERE], f"not so under torch {release}: take the next one")


def is_advice(case: Case, breach: Breach) -> bool:
    """Return whether a breach is worth knowing, and no reason to call a fix wrong."""
    return breach.law in ADVICE - case.spec.broken.violates


def failure(result: JobResult[Observation]) -> str:
    """Return in one line how a program failed; empty where it ran to its end."""
    seen = result.answer
    if seen is None:
        return f"{result.status}: {result.detail}"
    if seen.raised is None:
        return ""
    message = seen.raised.message.strip().partition("\n")[0]
    return f"{seen.raised.type}: {message}"


def breaches(
    case: Case,
    judged: Judged,
    runs: list[JobResult[Observation]],
    facts: LearnerFacts,
    reference: LearnerObservation,
) -> list[Breach]:
    """Return every promise that a program breaks; none where it is a right fix.

    `runs` has one observation a seed, of a program that raised nothing, and `facts` those of
    the first; `reference` is that of our fix: what holds for it must hold here too, a law that no longer applies is
    as good as broken.
    """
    seen = runs[0].answer
    if seen is None:
        return []
    found = [Breach(IMPORTS, PROMISES[IMPORTS], text) for text in judged.forbidden]
    dropped = dropped_calls(case, judged.source)
    if dropped:
        found.append(Breach(WORK, PROMISES[WORK], f"it no longer calls {_some(dropped)}"))
    found += _unlawful(case, seen, reference.observation)
    if not found:
        found += _idle(case, facts, reference.facts)
    steady = unsteady("learner's", runs)
    if steady and not found:
        note = f"{steady.declared}; and under another seed {steady.happened}"
        found.append(Breach(STEADY, PROMISES[STEADY], note))
    return found


def _unlawful(case: Case, seen: Observation, reference: Observation) -> list[Breach]:
    notes = against(case.healthy, seen)
    waived = set(case.spec.waive)
    found = [
        Breach(law, law.description, notes.get(law) or seen.laws[law].note)
        for law in sorted(broken_laws(case.healthy, seen) - waived)
    ]
    lost = [
        law
        for law, finding in reference.laws.items()
        if finding.holds and _finding(seen, law) is None and law not in waived
    ]
    return found + [
        Breach(law, law.description, f"can no longer be asked: {seen.laws[law].note}")
        for law in sorted(lost)
    ]


def _finding(seen: Observation, law: Law) -> bool | None:
    finding = seen.laws.get(law)
    return None if finding is None else finding.holds


def _idle(case: Case, seen: LearnerFacts, reference: LearnerFacts) -> list[Breach]:
    """Compare what a run uses with what the fix's run uses."""
    notes = [
        (LAYERS, f"{count} {kind} take part in a right run, here {seen.layers.get(kind, 0)}")
        for kind, count in reference.layers.items()
        if seen.layers.get(kind, 0) < count and is_kept(case, kind)
    ]
    theirs, ours = set(seen.parameters), set(reference.parameters)
    lost = [
        name
        for name in reference.follows
        if name not in seen.follows and (name in theirs or name not in ours)
    ]
    if lost:
        notes.append((FOLLOWS, f"a change of {_some(lost)} changes nothing"))
    gained = [
        name for name in seen.follows if name not in reference.follows and name in theirs & ours
    ]
    if gained:
        notes.append((FOLLOWS, f"it depends on {_some(gained)}, and should not"))
    notes += [(DATA, text) for text in _merged(seen.patterns, reference.patterns)]
    return [Breach(law, PROMISES[law], note) for law, note in notes]


def _some(names: list[str]) -> str:
    few = ", ".join(names[:3])
    return few + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004  (a few)


def _merged(seen: dict[str, list[int]], reference: dict[str, list[int]]) -> list[str]:
    """Say where values are equal that differ in the fix's data."""
    found = []
    for name, ours in reference.items():
        theirs = seen.get(name)
        if theirs is None or len(theirs) != len(ours):
            continue
        if len(set(zip(theirs, ours, strict=True))) > len(set(theirs)):
            found.append(f"{name}: {len(set(ours))} different values, here {len(set(theirs))}")
    return found
