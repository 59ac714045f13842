"""Each backward pass is used by the step that it was meant for, and by no other."""

from __future__ import annotations

import ast
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.early_steps import early_step, uneven_steps
from broken_convnets.commands.diagnose.sites import candidates, location, location_in, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep
    from broken_convnets.observe.recorder.values import Value

STEPS = 2
REGULAR = 0.6  # of the steps, at least


@rule(
    "gradients that are accumulated over several batches last until the step",
    stays_quiet="about single steps, closures, gradients that the program reads or changes in "
    "between, backward passes of different lines, and programs that skip less than half of the "
    "steps, or a different number of steps each time, as for gradients that are too large",
)
def accumulated_gradients_lost(evidence: Evidence) -> Iterator[Finding]:
    """Find zero_grad() at every batch where the optimizer steps after several."""
    lost = [(s, found) for s in evidence.record.optimizer_steps if (found := _lost(evidence, s))]
    if len(lost) < STEPS:
        return
    step, passes = lost[0]
    counts = uneven_steps(evidence, step)
    if counts:
        yield early_step(evidence, step, passes, counts)
    elif len(lost) > len(_steps_of_same(evidence, step)) / 2 and _are_meant(evidence, lost):
        yield _cleared_each_time(evidence, step, passes, len(lost))


def _are_meant(evidence: Evidence, lost: list[tuple[OptimizerStep, list[BackwardPass]]]) -> bool:
    """Return whether steps are to come after several passes, and are not skipped at times."""
    counts = Counter(len(found) for _, found in lost)
    regular = counts.most_common(1)[0][1] >= REGULAR * len(lost)
    return regular and not _skips(evidence, lost[0][0])


def _skips(evidence: Evidence, step: OptimizerStep) -> bool:
    """Return whether a loop skips the step, and what is around it, unless it counts batches."""
    site = site_of(evidence, step.places)
    for loop in site.source.loops_around(site.call)[:1] if site else ():
        for branch in (node for node in ast.walk(loop) if isinstance(node, ast.If)):
            skips = any(isinstance(node, ast.Continue) for node in branch.body)
            if skips and not any(isinstance(node, ast.Mod) for node in ast.walk(branch.test)):
                return True
    return False


def _steps_of_same(evidence: Evidence, step: OptimizerStep) -> list[OptimizerStep]:
    own = set(step.parameters)
    return [one for one in evidence.record.optimizer_steps if own & set(one.parameters)]


def _cleared_each_time(
    evidence: Evidence, step: OptimizerStep, passes: list[BackwardPass], count: int
) -> Finding:
    site = site_of(evidence, passes[0].places)
    zero = _zero_grad(site) if site else None
    return Finding(
        kind="training/not_learning",
        message="gradients are cleared at every batch, but the optimizer steps after several",
        evidence=f"each of {count} steps uses 1 of {len(passes) + 1} backward passes since the "
        "step before; the gradients of the others are lost",
        cause=location_in(site.source, zero) if site and zero else location(passes[0].places),
        symptom=location(step.places),
        subject=step.places[0].text if step.places else "",
        candidates=_after_step(evidence, site, zero, step) if site and zero else (),
        confidence=7,
    )


def _lost(evidence: Evidence, step: OptimizerStep) -> list[BackwardPass]:
    """Return the backward passes since the last step of an optimizer that are not used."""
    record, own = evidence.record, set(step.parameters)
    earlier = [s for s in record.optimizer_steps if s.number < step.number]
    mine = [s for s in earlier if own & set(s.parameters)]
    begin = mine[-1].moment.backward_passes if mine else 0
    others = {s.moment.backward_passes - 1 for s in earlier if not own & set(s.parameters)}
    passes = [
        b
        for b in record.backward_passes
        if begin <= b.number < step.moment.backward_passes and own & set(b.received)
        if b.number not in others  # of a GAN, whose losses may be computed in one line
    ]
    if len(passes) < STEPS or {n for k in own for n in step.holds.get(k, ())} != {
        passes[-1].number
    }:
        return []
    if len({b.places for b in passes}) > 1 or set(step.places[:1]) & set(passes[0].places):
        return []
    return [] if _uses_gradients(evidence, passes, own) else passes[:-1]


def _uses_gradients(evidence: Evidence, passes: list[BackwardPass], own: set[int]) -> bool:
    """Return whether operators outside of networks use tensors that may be gradients."""
    shapes = {evidence.record.parameters[number].shape for number in own}
    first, last = passes[0].moment.operators, passes[-1].moment.operators
    inside = [
        range(p.moment.operators, p.operators_at_end or p.moment.operators)
        for p in evidence.record.passes
        if first <= p.moment.operators <= last
    ]
    return any(
        first <= operator.number < last
        and not any(operator.number in one for one in inside)
        and any(_may_be_gradient(value, shapes) for value in operator.inputs)
        for operator in evidence.record.operators
    )


def _may_be_gradient(value: Value, shapes: set[tuple[int, ...]]) -> bool:
    computed = value.operator is not None or value.parameter
    return not computed and value.dtype.is_floating_point and value.shape in shapes


def _zero_grad(site: Site) -> ast.stmt | None:
    block = site.source.block_of(site.statement)
    found = [one for one in block if ".zero_grad(" in site.source.text_of(one)]
    return found[0] if found and found[0].lineno < site.statement.lineno else None


def _after_step(
    evidence: Evidence, site: Site, zero: ast.stmt, step: OptimizerStep
) -> tuple[Candidate, ...]:
    stepping = site_of(evidence, step.places)
    if stepping is None or stepping.source is not site.source:
        return ()
    move = partial(edits.move, site.source, zero, stepping.statement, after=True)
    return candidates((0, move))


@rule(
    "a step uses no gradients of a loss that another optimizer has stepped for",
    stays_quiet="if both losses come from one line, and if gradients are stale anyway",
)
def gradients_of_another_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find the GANs whose generator steps with gradients of the discriminator's loss as well."""
    record = evidence.record
    if any(record.stale(step) for step in record.optimizer_steps):
        return
    mixed = [(s, f) for s in record.optimizer_steps if (f := _foreign(evidence, s))]
    if len(mixed) < STEPS:
        return
    step, (foreign, other, name) = mixed[0]
    entry = _entry(evidence, foreign, step, other)
    places = entry.places if entry else step.places
    yield Finding(
        kind="training/missing_zero_grad",
        message=f"{step.type} steps with gradients of another loss, which {other.type} has already "
        "stepped for",
        evidence=f"at step {step.number + 1}, the gradient of {name or 'a parameter'} is the sum "
        "of two losses; the first backward pass, for the step before, went through it as well",
        violates=(Law.GRADIENTS_ARE_FRESH,),
        cause=location(places),
        symptom=location(step.places),
        subject=places[0].text if places else "",
        candidates=_fixes(evidence, step, entry),
        confidence=6,
    )


def _foreign(
    evidence: Evidence, step: OptimizerStep
) -> tuple[BackwardPass, OptimizerStep, str] | None:
    """Return a backward pass that a step holds besides its own, and the step it was meant for."""
    record = evidence.record
    for key in step.parameters:
        held = step.holds.get(key, ())
        for other in record.optimizer_steps if len(held) > 1 else ():
            if other.number >= step.number or key in other.parameters:
                continue
            first, last = held[0], held[-1]
            between = first < other.moment.backward_passes <= last
            used = any(first in other.holds.get(one, ()) for one in other.parameters)
            passes = [record.backward_passes.find(number) for number in (first, last)]
            one, two = passes
            if between and used and one and two and one.places[:1] != two.places[:1]:
                return one, other, record.parameters[key].name
    return None


def _entry(
    evidence: Evidence, loss: BackwardPass, step: OptimizerStep, other: OptimizerStep
) -> ForwardPass | None:
    """Return the pass of the other network whose input should have been detached."""
    before = evidence.flow.ancestors(loss.roots)
    mine = [p for p in evidence.record.passes if set(p.parameters) & set(step.parameters)]
    made = {value for p in mine for value in p.returned if value in before}
    for forward in evidence.record.passes:
        is_others = set(forward.parameters) & set(other.parameters)
        if is_others and made & set(forward.received) and before & set(forward.returned):
            return forward
    return None


def _fixes(
    evidence: Evidence, step: OptimizerStep, entry: ForwardPass | None
) -> tuple[Candidate, ...]:
    attempts = []
    site = site_of(evidence, entry.places) if entry else None
    if site is not None and len(site.call.args) == 1:
        text = f"{site.source.text_of(site.call.args[0])}.detach()"
        change = [(site.call.args[0], text)]
        attempts.append((0, partial(edits.replace, site.source, change)))
    stepping = site_of(evidence, step.places)
    numbers = {n for k in step.parameters for n in step.holds.get(k, ())}
    own = evidence.record.backward_passes.find(max(numbers)) if numbers else None
    backward = site_of(evidence, own.places) if own else None
    if stepping is not None and backward is not None and stepping.receiver:
        zero = f"{stepping.receiver}.zero_grad()"
        insert = partial(edits.insert_before, backward.source, backward.statement, zero)
        attempts.append((1, insert))
    return candidates(*attempts)
