"""A parameter is created once, and changed in place: the optimizer holds that one."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.structure.own_updates import computes_with_gradients
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep
    from broken_convnets.observe.recorder.replaced_parameters import ReplacedParameter

OFTEN = 2  # new parameters with a gradient, and steps after the first one, at least


@rule(
    "a parameter is created once, and the optimizer that updates it holds that one",
    stays_quiet="about parameters that are replaced only once, that receive no gradient, of which "
    "an optimizer gets a new one, and which are put back; if the program computes with gradients, "
    "as to adapt a new head in an inner loop",
)
def parameter_created_again(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.weight = nn.Parameter(...)` in a forward pass or a training step."""
    held = _held(evidence)
    if any(map(computes_with_gradients, evidence.user_sources)):
        return
    for chain in created_again(evidence):
        first, last = chain[0], chain[-1]
        steps = _steps_without(evidence, chain, held)
        has_first = first.former in held
        holder = "the optimizer holds the first one" if has_first else "no optimizer has any"
        yield Finding(
            kind="training/layer_created_in_forward",
            message=f"{first.type}.{first.name} is replaced by a new parameter again and again",
            evidence=f"{holder}; {len(chain)} others took its place, and none of the "
            f"{len(steps)} steps since then updated them",
            violates=(Law.EVERY_PARAMETER_MOVES, Law.GRADIENTS_ARE_FRESH),
            cause=location(last.places),
            subject=last.places[0].text if last.places else f"{first.type}.{first.name}",
            cases=("module/layer_created_in_forward", "training/optimizer_keeps_old_head"),
            candidates=_fixes(evidence, last),
            confidence=9,
        )


def created_again(evidence: Evidence) -> Iterator[list[ReplacedParameter]]:
    """Yield the replacements of each parameter whose new ones no optimizer gets."""
    record, held = evidence.record, _held(evidence)
    received = {number for one in record.backward_passes for number in one.received}
    chains: dict[object, list[ReplacedParameter]] = {}
    replaced = [p.replaces for p in record.parameters if p.replaces is not None]
    for one in sorted(replaced, key=lambda one: one.moment):
        chains.setdefault((id(one.module), one.name), []).append(one)
    for chain in chains.values():
        new = {one.current for one in chain}
        in_forward = all(one.running for one in chain)
        if len(new & received) < OFTEN or new & held:
            continue
        if not in_forward and chain[0].former not in held:
            continue
        if len(_steps_without(evidence, chain, held)) >= OFTEN:
            yield chain


def _held(evidence: Evidence) -> set[int]:
    """Return the parameters that an optimizer has at any time."""
    holders = (*evidence.record.built_optimizers, *evidence.record.optimizer_steps)
    return {number for one in holders for number in one.parameters}


def _steps_without(
    evidence: Evidence, chain: list[ReplacedParameter], held: set[int]
) -> list[OptimizerStep]:
    """Return the steps of the optimizer of the first parameter, else all, since it is replaced."""
    first = chain[0]
    steps = evidence.record.optimizer_steps
    after = [step for step in steps if step.number >= first.moment.optimizer_steps]
    own = [step for step in after if first.former in step.parameters]
    return own if first.former in held else after


def _fixes(evidence: Evidence, last: ReplacedParameter) -> tuple[Candidate, ...]:
    """Return the change that writes the new numbers into the parameter, if it is computed so."""
    source = evidence.source(last.places[0].file) if last.places else None
    statement = source.statement_at(last.places[0].line) if source else None
    if source is None or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return ()
    target, value = statement.targets[0], statement.value
    is_parameter = isinstance(value, ast.Call) and called_name(value) == "Parameter"
    if not is_parameter or not isinstance(value, ast.Call) or len(value.args) != 1:
        return ()
    name, numbers = source.text_of(target), source.text_of(value.args[0])
    if name not in numbers:  # new numbers each time: nothing to keep
        return ()
    space = edits.indentation(source, statement)
    text = f"with torch.no_grad():\n{space}    {name}.copy_({numbers})"
    return candidates((0, partial(edits.replace, source, [(statement, text)])))
