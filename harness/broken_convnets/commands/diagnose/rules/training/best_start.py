"""The best network so far is the one with the best value."""

from __future__ import annotations

import ast
import math
import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.rules.training.best_values import best_values
from broken_convnets.commands.diagnose.rules.training.bound_values import Bound
from broken_convnets.commands.diagnose.rules.training.scores import HUNDRED, Scores, is_loss
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.training.best_values import BestValue
    from broken_convnets.commands.diagnose.rules.training.scores import Score
    from broken_convnets.observe.recorder.places import Place

KIND = "state/best_state_not_copied"
INTENDED = re.compile(  # names of what is better if it is worse for the network
    r"worst|hard|max|min|high|low|peak|attack|adv|robust|forget|domain|fool|poison", re.IGNORECASE
)
OPPOSITE = {ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<="}
ROOTS = 20  # backward passes that are looked at
Kept = tuple["BestValue", "Score | None"]


@rule(
    "the best value so far begins at one that can be exceeded",
    stays_quiet="about a number from which an improvement is possible, unless the run shows that "
    "the value is a loss, which is never below 0, or an accuracy",
)
def best_is_never_exceeded(evidence: Evidence) -> Iterator[Finding]:
    """Find `best_loss = 0.0` before `if loss < best_loss:`, which is never true."""
    for best, score in _kept(evidence):
        if _contradicts(best, score) or not _is_never_true(evidence, best, score):
            continue
        source, test = best.source, best.source.text_of(best.test)
        start, worst = source.text_of(best.start), _worst(smaller=best.smaller)
        change = partial(edits.replace, source, [(best.start, worst)])
        yield Finding(
            kind=KIND,
            message=f"`{best.best}` begins at {start}, so `{test}` is never true and no network "
            "is kept",
            evidence=_seen(best, score),
            cause=location_in(source, best.start),
            symptom=location_in(source, best.test),
            subject=test,
            candidates=candidates((0, change)),
            confidence=8,
        )


@rule(
    "the best network so far has the smallest loss, or the greatest accuracy",
    stays_quiet="unless the run shows that the value is a loss or an accuracy, and that the only "
    "optimizer minimizes a loss; and if a name says that the worst one is wanted",
)
def worst_network_is_kept(evidence: Evidence) -> Iterator[Finding]:
    """Find `if loss > best_loss:` before the network is kept as the best one."""
    for best, score in _kept(evidence):
        if score is None or not _contradicts(best, score) or not _is_sure(evidence):
            continue
        source, test = best.source, best.source.text_of(best.test)
        names = f"{best.best} {source.text_of(best.value)}"
        if INTENDED.search(names) or not _keeps_network(evidence, best, score):
            continue
        most = "smallest" if best.smaller else "largest"
        never = _is_never_true(evidence, best, score)
        yield Finding(
            kind=KIND,
            message=f"`{test}` is never true, so no network is kept"
            if never
            else f"`{test}` keeps the network with the {most} {score.kind}",
            evidence=_seen(best, score),
            cause=location_in(source, best.test),
            symptom=location_in(source, best.start),
            subject=test,
            candidates=candidates((0, partial(_turned, best))),
            confidence=7,
        )


def _kept(evidence: Evidence) -> Iterator[Kept]:
    """Yield the comparisons that ran, each with what its value is."""
    require_success(evidence)
    if not evidence.record.backward_passes.count:
        return
    scores = Scores(evidence)
    for source in evidence.user_sources:
        for best in best_values(source):
            if _ran(evidence, best):
                yield best, scores.of(Bound(source, best.value))


def _ran(evidence: Evidence, best: BestValue) -> bool:
    """Return whether a network ran in the loop of a comparison, or its class is constructed."""
    source, loops = best.source, best.source.loops_around(best.test)
    if loops:
        lines = range(loops[0].lineno, (loops[0].end_lineno or 0) + 1)
        events = (*evidence.record.passes, *evidence.record.backward_passes)
        return any(p.file == source.path and p.line in lines for e in events for p in e.places)
    owner = source.class_of(best.test)
    nodes = (node for one in evidence.user_sources for node in one.expressions)
    calls = (node for node in nodes if isinstance(node, ast.Call))
    return owner is not None and any(called_name(call) == owner.name for call in calls)


def _contradicts(best: BestValue, score: Score | None) -> bool:
    """Return whether a comparison is true for a worse value."""
    return score is not None and (score.kind == "loss") != best.smaller


def _is_never_true(evidence: Evidence, best: BestValue, score: Score | None) -> bool:
    """Return whether no value of this kind is better than the first one."""
    if math.isinf(best.number):
        return (best.number < 0) == best.smaller
    kept = (one.places for one in evidence.record.snapshots)
    if score is None or best.margin or any(_is_in(best, places) for places in kept):
        return False
    most = math.inf if score.kind == "loss" else HUNDRED if score.percent else 1
    return best.number <= 0 if best.smaller else best.number >= most


def _is_in(best: BestValue, places: Iterable[Place]) -> bool:
    return any(p.file == best.source.path and best.covers(p.line) for p in places)


def _keeps_network(evidence: Evidence, best: BestValue, score: Score) -> bool:
    """Return whether the branch reads the state_dict of a network."""
    if any(_is_in(best, one.places) for one in evidence.record.snapshots):
        return True
    inside = [n for s in best.branch.body for n in ast.walk(s) if isinstance(n, ast.Call)]
    reads = any(called_name(call) == "state_dict" for call in inside)
    return reads and _is_never_true(evidence, best, score)


def _is_sure(evidence: Evidence) -> bool:
    """Return whether there is one optimizer, and all losses that are known are minimized."""
    record = evidence.record
    places = {one.places[:1] for one in record.built_optimizers}
    if len(places) != 1 or any(one.settings.get("maximize") for one in record.built_optimizers):
        return False
    roots = [root for one in list(record.backward_passes)[:ROOTS] for root in one.roots]
    found = [term for root in roots for term in terms(evidence, root)]
    losses = [term.factor for term in found if is_loss(evidence, term.value)]
    return bool(losses) and min(losses) > 0


def _seen(best: BestValue, score: Score | None) -> str:
    value = best.source.text_of(best.value)
    if score is None:
        return f"no number is {'less' if best.smaller else 'greater'} than {best.number:g}"
    if score.kind != "loss":
        return f"{value} is computed from the number of right answers"
    text = f"{value} is a loss, which is better if it is smaller"
    if not score.seen:
        return text
    return f"{text}; it was computed from {min(score.seen):.3g} to {max(score.seen):.3g}"


def _worst(*, smaller: bool) -> str:
    return 'float("inf")' if smaller else '-float("inf")'


def _turned(best: BestValue) -> Patch:
    """Turn a comparison round, and begin at the worst value."""
    source, test = best.source, best.test
    left, right = source.text_of(test.left), source.text_of(test.comparators[0])
    turned = f"{left} {OPPOSITE[type(test.ops[0])]} {right}"
    changes: list[tuple[ast.expr | ast.stmt, str]] = [(test, turned)]
    if not math.isinf(best.number) or (best.number > 0) == best.smaller:
        changes.append((best.start, _worst(smaller=not best.smaller)))
    return edits.replace(source, changes)
