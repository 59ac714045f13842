"""A scheduler sets the learning rates of its optimizer when it is constructed.

https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.load_state_dict.html asks for
the state to be loaded after that.
"""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.loaded_rates import RateReset

FEWEST = 2  # steps with the wrong rate


@rule(
    "an optimizer that has loaded its state continues with the learning rate of that state",
    stays_quiet="unless a scheduler is constructed after the load, changes the rate, and loads "
    "its own state; if the program sets the rate afterwards",
)
def scheduler_resets_loaded_rate(evidence: Evidence) -> Iterator[Finding]:
    """Find a scheduler whose constructor changes the learning rate that was just loaded."""
    require_success(evidence)
    for reset in evidence.record.resumed.rate_resets:
        steps = _steps(evidence, reset)
        if steps < FEWEST:
            continue
        old, new = next(
            (a, b) for a, b in zip(reset.loaded_rates, reset.rates, strict=True) if a != b
        )
        yield Finding(
            kind="training/scheduler_initial_lr",
            message=f"the constructor of {reset.type} changes the learning rate that the optimizer "
            "has loaded",
            evidence=f"the optimizer loads a learning rate of {old:.3g}, {reset.type} sets it to "
            f"{new:.3g}, the first one of its schedule, and {steps} steps use that, until the "
            "scheduler steps",
            violates=(Law.RESUMES_WHERE_IT_STOPPED,),
            cause=location(reset.places),
            symptom=location(reset.loaded),
            subject=reset.type,
            cases=("state/scheduler_state_not_saved",),
            candidates=_moved(evidence, reset),
            confidence=7,
        )
        return


def _steps(evidence: Evidence, reset: RateReset) -> int:
    """Return how many steps have the rates of the constructor before the scheduler's next step.

    None count if that is its first step: the schedule is meant to start again.
    """
    record = evidence.record
    own = (one for one in record.scheduler_steps if one.scheduler == reset.scheduler)
    following = next(own, None)
    if following is None or following.last_epoch <= 1:
        return 0
    steps = [
        one
        for one in record.optimizer_steps
        if reset.moment.optimizer_steps <= one.number < following.moment.optimizer_steps
        and set(one.parameters) == set(reset.parameters)
    ]
    return len(steps) if all(one.learning_rates == reset.rates for one in steps) else 0


def _moved(evidence: Evidence, reset: RateReset) -> tuple[Candidate, ...]:
    """Return the change that constructs the scheduler before the statement with the load."""
    built, load = site_of(evidence, reset.places), site_of(evidence, reset.loaded)
    if built is None or load is None or built.source is not load.source:
        return ()
    block = built.source.block_of(built.statement)
    around = {load.statement, *load.source.ancestors(load.statement)}
    target = next((one for one in block if one in around), None)
    if target is None or block.index(target) >= block.index(built.statement):
        return ()
    between = block[block.index(target) : block.index(built.statement)]
    if _names(between, ast.Store) & _names([built.statement], ast.Load):
        return ()
    move = partial(edits.move, built.source, built.statement, target, after=False)
    return candidates((0, move))


def _names(statements: list[ast.stmt], context: type[ast.expr_context]) -> set[str]:
    """Return the names and attributes that statements read, or write."""
    nodes = [node for one in statements for node in ast.walk(one)]
    return {
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, context)
    }
