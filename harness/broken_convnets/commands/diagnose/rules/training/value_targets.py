"""The target of Q-learning ends with the episode, and follows the network that learns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import scope_of
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT, producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.rules.training.bootstrapped_targets import (
    BEST,
    LEAST,
    gathered_predictions,
)
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

ENDS = ("done", "terminal", "terminated", "is_final", "is_done")
PARTS = 4  # of a transition without its end: state, action, reward, next state
STEPS = 8


@rule(
    "the target of Q-learning has no future after the end of an episode",
    stays_quiet="unless a loss compares gathered outputs with a reward plus a discounted maximum, "
    "and the ends of episodes are read from the memory in the same function and never used; a "
    "warning, as a task may have no ends but those of its time limit",
)
def future_after_the_end(evidence: Evidence) -> Iterator[Finding]:
    """Find `reward + gamma * q(next).max(1).values` where `done` is not used."""
    require_success(evidence)
    for operator, _ in gathered_predictions(evidence):
        best = _discounted(evidence, operator.inputs[1])
        if best is None:
            continue
        source = evidence.source(best.places[0].file)
        node = source.expression_at(best.places[0]) if source else None
        name = _unread(source, node) if source and node else ""
        if name:
            yield Finding(
                kind="training/not_learning",
                message=f"the target of Q-learning has a future after the end of an episode: "
                f"{name} is not used",
                evidence=f"`{best.places[0].text}` is discounted and added to the reward for "
                f"every transition; multiply it by 1 - {name}",
                severity=Severity.WARNING,
                cause=location(best.places),
                symptom=location(operator.places),
                subject=best.places[0].text,
                confidence=6,
            )
        return


def _discounted(evidence: Evidence, target: Value) -> Operator | None:
    """Return the maximum of outputs that is only discounted before a reward is added."""
    total = producer(evidence, target)
    if total is None or plain_name(total) != "add" or len(total.inputs) != 2:  # noqa: PLR2004  (reward, future)
        return None
    for value in total.inputs:
        found = _maximum(evidence, value)
        if found is not None:
            return found
    return None


def _maximum(evidence: Evidence, value: Value) -> Operator | None:
    discount = False
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs or not operator.places:
            return None
        if operator.name in BEST:
            known = evidence.flow.depends_on_network(operator.inputs[0])
            return operator if discount and known else None
        if plain_name(operator) == "mul":
            number = number_in(operator)
            if len(operator.inputs) != 1 or number is None:
                return None  # a mask
            discount = discount or LEAST <= number <= 1
        elif operator.name not in TRANSPARENT | {"detach"}:
            return None
        value = operator.inputs[0]
    return None


def _unread(source: Source, node: ast.expr) -> str:
    """Return the variable with the ends of episodes that the function assigns and never reads."""
    names = [n for n in ast.walk(scope_of(source, node)) if isinstance(n, ast.Name)]
    stored = [n.id for n in names if isinstance(n.ctx, ast.Store) and _is_end(n.id)]
    unpacked = any(_is_of_transitions(source, n) for n in names if _is_end(n.id))
    last = [n for n in names if isinstance(n.ctx, ast.Load) and _is_end(n.id)]
    uses = [n for n in last if not _only_converted(source, n)]
    return stored[-1] if unpacked and not uses else ""


def _is_end(name: str) -> bool:
    return name.lower().strip("_").startswith(ENDS)


def _is_of_transitions(source: Source, node: ast.Name) -> bool:
    """Return whether a variable is a part of transitions, and not of one step of a game."""
    statement = source.statement_of(node)
    parts = source.parent(node)
    if not isinstance(statement, ast.Assign) or not isinstance(parts, ast.Tuple | ast.List):
        return False
    value = statement.value
    step = isinstance(value, ast.Call) and called_name(value) == "step"
    return isinstance(node.ctx, ast.Store) and len(parts.elts) > PARTS and not step


def _only_converted(source: Source, node: ast.Name) -> bool:
    """Return whether a variable is only read to assign a variable of the same meaning."""
    statement = source.statement_of(node)
    if not isinstance(statement, ast.Assign):
        return False
    stored = [
        n.id
        for target in statement.targets
        for n in ast.walk(target)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    return any(map(_is_end, stored))
