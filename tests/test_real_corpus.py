"""The corpus of this repository: every entry is as declared, and the verdict notices if not."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.diff import hunks, without_hunk
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.lint import lint
from broken_convnets.observe.facts import Observation, Run, RunRequest
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job
from broken_convnets.verdicts.judge import judge
from broken_convnets.verdicts.messages import repeated_messages
from broken_convnets.vocabulary import STRUCTURAL, Law, Verdict
from kit import our_corpus, our_records

if TYPE_CHECKING:
    from broken_convnets.verdicts.records import Baseline
    from kit import Remembering

RELEASE = version("torch").partition("+")[0]
CORPUS = our_corpus()
BASELINES = our_records()
CASES = {name: entry for name, entry in CORPUS.entries.items() if isinstance(entry, Case)}
PARTIAL_FIXES = {
    f"{name}, hunk {number}": (case, without_hunk(case.broken, case.fixed, hunk))
    for name, case in CASES.items()
    for number, hunk in enumerate(hunks(case.broken, case.fixed))
    if len(hunks(case.broken, case.fixed)) > 1
}

Runs = dict[str, Run]  # by source text


@pytest.fixture(scope="module")
def observed(runner: Remembering) -> Runs:
    """Run every program once, including the partial fixes; all tests judge these runs.

    The laws of structure take most of the time: they are checked only for a case that violates
    one; `reproduce` checks them for every entry.
    """
    whole = {source for entry in CORPUS.entries.values() for source in entry.programs().values()}
    sources = sorted(whole | {source for _, source in PARTIAL_FIXES.values()})
    structural = {
        source
        for case in CASES.values()
        if case.spec.broken.violates & STRUCTURAL
        for source in (
            *case.programs().values(),
            *(partial for whole, partial in PARTIAL_FIXES.values() if whole is case),
        )
    }
    jobs = [
        Job(number, OBSERVE, RunRequest(source, full=source in structural))
        for number, source in enumerate(sources)
    ]
    return {sources[result.job]: result for result in runner.run(jobs, Observation)}


def _verdict(case: Case, broken: Run, fixed: Run) -> Verdict:
    return judge(case, {"broken": [broken], "fixed": [fixed]}, "cpu", RELEASE).verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPUS.ids)
def test_an_entry_is_as_declared(name: str, observed: Runs) -> None:
    problems = [str(problem) for problem in CORPUS.problems if problem.id == name]
    assert problems == []
    entry = CORPUS.entries[name]
    runs = {side: [observed[source]] for side, source in entry.programs().items()}
    judgement = judge(entry, runs, "cpu", RELEASE)
    assert judgement.verdict.as_declared, judgement.mismatches


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_pair_with_swapped_or_equal_sides_does_not_reproduce(name: str, observed: Runs) -> None:
    case = CASES[name]
    broken, fixed = observed[case.broken], observed[case.fixed]
    assert _verdict(case, fixed, broken) is not Verdict.REPRODUCED
    assert _verdict(case, fixed, fixed) is Verdict.NOT_REPRODUCED
    assert _verdict(case, broken, broken) is Verdict.FIX_FAILED


@pytest.mark.slow
@pytest.mark.parametrize("what", PARTIAL_FIXES)
def test_a_fix_without_one_of_its_hunks_does_not_work(what: str, observed: Runs) -> None:
    case, partial = PARTIAL_FIXES[what]
    verdict = _verdict(
        dataclasses.replace(case, fixed=partial), observed[case.broken], observed[partial]
    )
    assert verdict is not Verdict.REPRODUCED


@pytest.mark.parametrize("law", Law)
def test_every_law_is_violated_by_a_case(law: Law) -> None:
    assert any(law in case.spec.broken.violates for case in CASES.values())


@pytest.mark.parametrize(
    "baseline", BASELINES, ids=lambda baseline: f"{baseline.torch}-{baseline.device}"
)
def test_the_records_are_as_declared_for_their_release(baseline: Baseline) -> None:
    assert sorted(set(baseline.entries) - set(CORPUS.ids)) == []
    for name, record in baseline.entries.items():
        assert record.verdict.as_declared, name
        reproduced = record.verdict is Verdict.REPRODUCED
        if reproduced and record.broken and record.broken.raises:
            declared = CASES[name].spec.broken.on(baseline.device, baseline.torch)
            assert record.broken.raises == declared.raises, name
            assert (declared.message or "") in record.broken.message, name


def test_the_corpus_has_no_problem_of_lint() -> None:
    problems = [*lint(CORPUS), *repeated_messages(CORPUS)]
    assert [str(problem) for problem in problems] == []


def test_every_id_is_unique_across_topics() -> None:
    names = [name.rpartition("/")[2] for name in CORPUS.ids]
    assert sorted(set(names)) == sorted(names)
