"""Which backward passes are for a step that makes their loss smaller, and trains nothing else."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import BackwardPass
    from broken_convnets.observe.recorder.values import Value

NEGATING = frozenset({"neg", "neg_", "negative", "negative_"})


def turns_gradients(evidence: Evidence) -> bool:
    """Return whether a program maximizes: by an optimizer's option, or by negative gradients."""
    if any(one.settings.get("maximize") for one in evidence.record.built_optimizers):
        return True
    return any(_negates_gradients(source) for source in evidence.user_sources)


def maximizes(evidence: Evidence) -> bool:
    """Return whether a program maximizes what `backward()` is called for.

    A minus before `backward()` is part of the loss.
    """
    if any(one.settings.get("maximize") for one in evidence.record.built_optimizers):
        return True
    words = frozenset({"grad"})
    return any(_negates_gradients(source, words) for source in evidence.user_sources)


def _negates_gradients(
    source: Source, words: AbstractSet[str] = frozenset({"grad", "backward"})
) -> bool:
    """Return whether a statement has both a `.grad` and a minus, or backward() gets a minus."""
    for statement in source.statements:
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
            nodes = list(ast.walk(statement))
            names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            minus = names & NEGATING or any(isinstance(node, ast.USub) for node in nodes)
            if minus and names & words:
                return True
    return False


def trained_by(evidence: Evidence, backward: BackwardPass) -> frozenset[int]:
    """Return the parameters that an optimizer changes with the gradient of a backward pass."""
    return frozenset(
        number
        for step in evidence.record.optimizer_steps
        for number in step.changed
        if backward.number in step.holds.get(number, ())
    )


def trains_its_network(
    evidence: Evidence, backward: BackwardPass, outputs: AbstractSet[Value]
) -> bool:
    """Return whether the networks that returned outputs are trained by a backward pass.

    Those that only judge what another one generates, or that an input is to fool, are not.
    """
    trained = trained_by(evidence, backward)
    passes = [one for one in evidence.record.passes if one.parameters]
    return all(
        trained.intersection(one.parameters)
        for one in passes
        if not outputs.isdisjoint(one.returned)
    )


def learns_nothing_else(
    evidence: Evidence, backward: BackwardPass, others: Iterable[BackwardPass]
) -> bool:
    """Return whether no other backward pass has gradients of the parameters that one trains."""
    trained = trained_by(evidence, backward)
    return not any(trained.intersection(one.received) for one in others)
