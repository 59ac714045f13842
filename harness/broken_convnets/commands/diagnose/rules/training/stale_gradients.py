"""Gradients at an optimizer step belong to the backward passes since the previous step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.findings import Candidate, Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment, OptimizerStep


@rule(
    "at each optimizer step, gradients hold nothing from before the last step",
    stays_quiet="about parameters that the stepping optimizer does not have, and gradients that "
    "several backward passes since the last step have filled",
)
def stale_gradients(evidence: Evidence) -> Iterator[Finding]:
    """Find the optimizers whose steps use gradients that an earlier step has used."""
    record = evidence.record
    stale = {step.number: found for step in record.optimizer_steps if (found := record.stale(step))}
    if not stale:
        return
    number = min(stale)
    step = next(s for s in record.optimizer_steps if s.number == number)
    place = step.places[0] if step.places else None
    parameter = stale[number][0]
    yield Finding(
        kind="training/missing_zero_grad",
        message="the optimizer steps with gradients of earlier steps",
        evidence=f"at step {number + 1}, {parameter.name or 'a parameter'} still holds the "
        f"gradient of the backward pass before the last step ({len(stale)} of "
        f"{record.optimizer_steps.count} steps)",
        violates=(Law.GRADIENTS_ARE_FRESH,),
        cause=Location(place.file, place.line) if place else None,
        subject=place.text if place else "",
        cases=("training/missing_zero_grad",),
        candidates=tuple(_candidates(evidence, step)),
        confidence=9,
    )


def _candidates(evidence: Evidence, step: OptimizerStep) -> Iterator[Candidate]:
    """Yield a call of zero_grad() before the forward pass, else one after the step."""
    place = step.places[0] if step.places else None
    source = evidence.source(place.file) if place else None
    if place is None or source is None:
        return
    call = source.call_at(place)
    statement = source.statement_of(call) if call else None
    if call is None or statement is None or not source.text_of(call).endswith(".step()"):
        return
    zero = source.text_of(call).removesuffix(".step()") + ".zero_grad()"
    forward = _forward_pass(evidence.record, step, source.block_of(statement))
    try:
        if forward is None:
            yield Candidate(edits.insert_after(source, statement, zero))
        else:
            yield Candidate(edits.insert_before(source, forward, zero))
    except EditError:
        return


def _forward_pass(
    record: Record, step: OptimizerStep, block: Sequence[ast.stmt]
) -> ast.stmt | None:
    """Return the statement of a block that runs the first forward pass that a step is about.

    None if several backward passes lead to the step: they accumulate gradients on purpose.
    """
    backward = [one for one in record.backward_passes if _leads_to(one.moment, step)]
    own = set(step.parameters)
    passes = (p for p in record.passes if p.grad_enabled and _leads_to(p.moment, step))
    forward = [one for one in passes if own & set(one.parameters)]
    if len(backward) != 1 or not forward:
        return None
    here = step.places[0]
    lines = [
        p.line for p in forward[0].places if (p.file, p.function) == (here.file, here.function)
    ]
    around = (one for one in block if lines and one.lineno <= lines[0] <= (one.end_lineno or 0))
    return next(around, None)


def _leads_to(moment: Moment, step: OptimizerStep) -> bool:
    return moment.optimizer_steps == step.number
