"""Ask the sandbox whether a program keeps the mistake of its case, and grade the answer.

Only a case that raises nothing can be kept that way: another one still raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.checks import MISTAKE_REMOVED, SAME_PARAMETERS
from broken_convnets.commands.learn.differences import list_some
from broken_convnets.commands.learn.grading_result import Violation, violates
from broken_convnets.commands.learn.pair.facts import OBSERVE_PAIR, PairFacts, PairRequest
from broken_convnets.commands.learn.probes import with_probes
from broken_convnets.commands.learn.run_calls import names_in
from broken_convnets.sandbox.job import Job
from broken_convnets.verdicts.collect import SEEDS
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Case
    from broken_convnets.sandbox.runner import Runner

CLIPPING = "clip_grad_"
OTHER_PARAMETERS = "some parameters of the fix have no partner of the same shape"


def kept_mistake(runner: Runner, case: Case, source: str) -> tuple[str, list[Violation]]:
    """Return how the comparison failed, and what the program `source` keeps of the case."""
    if case.spec.broken.stage is not Stage.SILENT:
        return "", []
    (result,) = runner.run([Job(0, OBSERVE_PAIR, pair_request(case, source))], PairFacts)
    if result.answer is None:
        return f"{result.status}: {result.detail}", []
    kept, other = result.answer.kept, result.answer.other_parameters
    found = [violates(MISTAKE_REMOVED, list_some(kept))] if kept else []
    return "", found + ([violates(SAME_PARAMETERS, OTHER_PARAMETERS)] if other else [])


def pair_request(case: Case, source: str) -> PairRequest:
    """Return the request to compare the program `source` with both sides of a case."""
    return PairRequest(
        with_probes(source),
        with_probes(case.fixed),
        with_probes(case.broken),
        laws=frozenset(case.spec.broken.violates),
        clips=all(map(_clips, (case.fixed, case.broken))),
        seeds=SEEDS,
    )


def _clips(source: str) -> bool:
    return any(name.startswith(CLIPPING) for name in names_in(source))
