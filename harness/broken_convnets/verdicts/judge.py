"""Judge an entry by what was observed of its programs; pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from broken_convnets.corpus.entries import Case, Entry
from broken_convnets.corpus.symptom_rules import contradicts
from broken_convnets.observe.facts import Observation, Run
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.verdicts.declared_laws import against, violated_laws
from broken_convnets.vocabulary import JUDGED, STRUCTURAL, Law, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.corpus.spec import Broken, Healthy
    from broken_convnets.corpus.symptoms import Symptom

IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}


@dataclass(frozen=True)
class Mismatch:
    """A declaration that differs from what happened."""

    what: str
    declared: str
    happened: str


@dataclass(frozen=True)
class Judgement:
    """A verdict and the mismatches that led to it; none if everything is as declared."""

    verdict: Verdict
    mismatches: list[Mismatch] = field(default_factory=list)


Runs = dict[str, list[Run]]  # by side: broken, fixed


def judge(entry: Entry, runs: Runs, device: str, release: str) -> Judgement:
    """Return the verdict on an entry, from all runs of its sides under a release of torch.

    All runs of a side must agree, the broken side must fail as declared, and the fixed side must
    obey every law that is not waived. The first of these that does not hold decides.
    """
    for side, runs_of_side in runs.items():
        differs = disagreement(side, runs_of_side)
        if differs:
            return Judgement(Verdict.FLAKY, [differs])
    healthy = _judge_every_run(entry, runs["fixed"])
    if not SpecifierSet(entry.spec.torch or "").contains(release, prereleases=True):
        return _not_here(entry, healthy)
    if isinstance(entry, Case):
        broken = entry.spec.broken.on(device, release)
        first = _judge_broken(broken, entry.healthy, entry.spec.waive, runs["broken"][0])
        if first.verdict is Verdict.REPRODUCED:
            first = _judge_symptoms(entry.spec.symptoms, runs["broken"][0]) or first
        if not first.verdict.as_declared or healthy.verdict.as_declared:
            return first
    return healthy


def _not_here(entry: Entry, found: Judgement) -> Judgement:
    """Return the verdict if the healthy side is declared to need other releases of torch."""
    if found.verdict in {Verdict.CONTROL_FAILED, Verdict.FIX_FAILED}:
        return Judgement(Verdict.NOT_HERE)
    if not found.verdict.as_declared:
        return found
    needed = f"works under {entry.spec.torch} only"
    return Judgement(_failed(entry), [Mismatch("torch", needed, "it works here: widen `torch`")])


def disagreement(side: str, runs_of_side: Sequence[Run]) -> Mismatch | None:
    """Return how two runs of one side differ in a fact that must repeat; None if they agree."""
    first = runs_of_side[0]
    for run in runs_of_side[1:]:
        if _repeatable(run) != _repeatable(first):
            return Mismatch(f"the {side} side in every run", _sentence(first), _sentence(run))
    return None


def _repeatable(run: Run) -> object:
    observed = run.answer
    return (run.status, None if observed is None else observed.repeatable)


def _sentence(run: Run) -> str:
    observed = run.answer
    if observed is None:
        return f"{run.status}: {run.detail}"
    if observed.raised:
        raised = observed.raised
        return f"{raised.type} at `{raised.expression}` in stage {raised.stage}: {raised.message}"
    violated = sorted(law for law, finding in observed.laws.items() if finding.holds is False)
    return f"{observed.output}" + (f", violates {', '.join(violated)}" if violated else "")


def _judge_unobserved(run: Run) -> Judgement | None:
    """Return the verdict on a program that was not observed, or could not be imported.

    An observation of a program that raised nothing must have a result for every law; those of
    structure only if the run was a `full` one.
    """
    if run.answer is None:
        verdict = Verdict.TIMEOUT if run.status is JobStatus.TIMEOUT else Verdict.CRASHED
        return Judgement(verdict, [Mismatch("process", "ends with a result", run.detail)])
    expected = JUDGED if run.answer.full else JUDGED - STRUCTURAL
    missing = [] if run.answer.raised else sorted(expected - run.answer.laws.keys())
    if missing:
        happened = f"no result for {', '.join(missing)}"
        return Judgement(Verdict.CRASHED, [Mismatch("laws", "are all judged", happened)])
    raised = run.answer.raised
    if raised and raised.stage is Stage.IMPORT and raised.type in IMPORT_ERRORS:
        return Judgement(Verdict.UNSUPPORTED, [Mismatch("import", "works", raised.message)])
    return None


def _judge_broken(declared: Broken, fixed: Healthy, waive: dict[Law, str], run: Run) -> Judgement:
    unobserved = _judge_unobserved(run)
    if unobserved or run.answer is None:
        return unobserved or Judgement(Verdict.CRASHED)
    seen = run.answer
    if not declared.fails:
        silent = declared.stage is Stage.SILENT and violated_laws(fixed, seen) - set(waive)
        if seen.raised is None and not silent:
            return Judgement(Verdict.NOT_HERE)
        mismatch = Mismatch("broken side", "does not fail here", _sentence(run))
        return Judgement(Verdict.WRONG_SYMPTOM, [mismatch])
    if declared.stage is Stage.SILENT:
        return _judge_silent(declared, fixed, waive, seen)
    if seen.raised is None:
        wanted = f"raises {declared.raises} in stage {declared.stage}"
        return Judgement(Verdict.NOT_REPRODUCED, [Mismatch("failure", wanted, _sentence(run))])
    raised = seen.raised
    pairs = [
        ("stage", declared.stage, raised.stage, declared.stage == raised.stage),
        ("raises", declared.raises, raised.type, declared.raises == raised.type),
        ("message", declared.message, raised.message, (declared.message or "") in raised.message),
        (
            "expression",
            declared.expression,
            raised.expression,
            " ".join((declared.expression or "").split()) == raised.expression,
        ),
        ("layer", declared.layer, raised.layer, declared.layer in {None, raised.layer}),
    ]
    wrong = [Mismatch(what, str(want), str(got)) for what, want, got, same in pairs if not same]
    return Judgement(Verdict.WRONG_SYMPTOM if wrong else Verdict.REPRODUCED, wrong)


def _judge_silent(
    declared: Broken, fixed: Healthy, waive: dict[Law, str], seen: Observation
) -> Judgement:
    wanted = ", ".join(sorted(declared.violates))
    if seen.raised:
        happened = f"{seen.raised.type}: {seen.raised.message}"
        wrong = Mismatch("violates", f"{wanted}, without an exception", happened)
        return Judgement(Verdict.WRONG_SYMPTOM, [wrong])
    broken = violated_laws(fixed, seen) - set(waive)
    if broken == declared.violates:
        return Judgement(Verdict.REPRODUCED)
    verdict = Verdict.WRONG_SYMPTOM if broken else Verdict.NOT_REPRODUCED
    happened = ", ".join(sorted(broken)) or "no law is violated"
    return Judgement(verdict, [Mismatch("violates", wanted, happened)])


def _judge_symptoms(symptoms: list[Symptom], run: Run) -> Judgement | None:
    """Return the verdict on a case whose output contradicts the symptoms that it declares."""
    wrong = contradicts(symptoms, run.answer.output if run.answer else None)
    declared = ", ".join(symptoms) or "none"
    return (
        Judgement(Verdict.WRONG_SYMPTOM, [Mismatch("symptoms", declared, wrong)]) if wrong else None
    )


def _failed(entry: Entry) -> Verdict:
    return Verdict.FIX_FAILED if isinstance(entry, Case) else Verdict.CONTROL_FAILED


def _judge_every_run(entry: Entry, runs: Sequence[Run]) -> Judgement:
    """Return the verdict on the fixed side: its inputs differ from run to run, its laws do not."""
    judgement = _judge_healthy(entry, runs[0])
    for run in runs[1:] if judgement.verdict.as_declared else []:
        incomplete = _judge_unobserved(run)
        if incomplete:
            return incomplete
        wrong = against(entry.healthy, run.answer) if run.answer else {}
        found = [
            Mismatch(law, law.description, note)
            for law, note in sorted(wrong.items())
            if law not in entry.spec.waive
        ]
        if found:
            return Judgement(_failed(entry), found)
    return judgement


def _judge_healthy(entry: Entry, run: Run) -> Judgement:
    declared, waive = entry.healthy, entry.spec.waive
    ideal = Verdict.REPRODUCED if isinstance(entry, Case) else Verdict.WORKS
    unobserved = _judge_unobserved(run)
    if unobserved or run.answer is None:
        return unobserved or Judgement(Verdict.CRASHED)
    seen = run.answer
    if seen.raised:
        happened = f"{seen.raised.type} at `{seen.raised.expression}`: {seen.raised.message}"
        return Judgement(_failed(entry), [Mismatch("fixed side", "raises nothing", happened)])
    broken = violated_laws(declared, seen)
    wrong = [
        Mismatch(law, law.description, _note(law, declared, seen))
        for law in sorted(broken - set(waive))
    ]
    wrong += [
        Mismatch(f"waive.{law}", f"violated ({waive[law]})", "not violated: remove the waiver")
        for law in sorted(set(waive) - broken)
    ]
    return Judgement(_failed(entry) if wrong else ideal, wrong)


def _note(law: Law, declared: Healthy, seen: Observation) -> str:
    wrong = against(declared, seen)
    return wrong[law] if law in wrong else seen.laws[law].note
