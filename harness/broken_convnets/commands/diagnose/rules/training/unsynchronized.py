"""The target network of Q-learning follows the network that learns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.rules.training.bootstrapped_targets import (
    BEST,
    LEAST,
    gathered_predictions,
)
from broken_convnets.commands.diagnose.sites import (
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

COPIES = frozenset(
    {"load_state_dict", "deepcopy", "copy_", "lerp_", "add_", "set_", "vector_to_parameters"}
    | {"update_parameters", "_foreach_lerp_", "_foreach_copy_", "soft_update", "swap_tensors"}
)
UPDATES = 8  # of the network that learns, at least
LOOKS = 64  # values that a target is computed from


@rule(
    "the target network of Q-learning gets the weights of the network that learns",
    stays_quiet="unless a loss compares gathered outputs with the discounted maximum of another "
    "network of the same shapes, which begins with the same weights or is called a target, whose "
    "weights stay, and no code that is mentioned copies weights or networks after the beginning",
)
def target_network_stays(evidence: Evidence) -> Iterator[Finding]:
    """Find a target network that is copied once, and never again."""
    require_success(evidence)
    for operator, chosen in gathered_predictions(evidence):
        fixed = _target_pass(evidence, operator.inputs[1])
        if fixed is None or not fixed.places:
            continue
        learning = evidence.flow.pass_of(chosen)
        if learning is None or not _is_copy(evidence, learning, fixed):
            return
        if len(evidence.record.optimizer_steps) < UPDATES:
            return
        name = _name_of(evidence, fixed)
        follows = any(_copies_later(one, name) for one in evidence.user_sources)
        is_meant = "target" in name.lower() or _begins_alike(evidence, learning, fixed)
        if is_meant and not follows and _stays(evidence, fixed):
            yield _finding(evidence, learning, fixed)
        return


def _finding(evidence: Evidence, learning: ForwardPass, fixed: ForwardPass) -> Finding:
    built = evidence.record.construction(fixed.network())
    places = built.places if built is not None and built.places else fixed.places
    return Finding(
        kind="training/not_learning",
        message="the target network never gets the weights of the network that learns",
        evidence=f"`{fixed.places[0].text}` computes the targets with the same weights to the end, "
        f"while those of `{learning.places[0].text if learning.places else 'the other'}` change, "
        "and no code copies them after the beginning",
        cause=location(fixed.places),
        symptom=location(places),
        subject=fixed.places[0].text,
        confidence=6,
    )


def _target_pass(evidence: Evidence, target: Value) -> ForwardPass | None:
    """Return the pass whose maximum is discounted and added to a reward."""
    waiting, discounted = [target], False
    for _ in range(LOOKS):
        operator = evidence.record.producer(waiting.pop(0)) if waiting else None
        if operator is None:
            continue
        discounted = discounted or _discounts(operator)
        if operator.name in BEST | {"gather"} and discounted:
            return evidence.flow.pass_of(operator.inputs[0])
        waiting += operator.inputs
    return None


def _discounts(operator: Operator) -> bool:
    return plain_name(operator) == "mul" and LEAST <= (number_in(operator) or 0) < 1


def _is_copy(evidence: Evidence, learning: ForwardPass, fixed: ForwardPass) -> bool:
    """Return whether two networks have parameters of the same shapes, and none in common."""
    if set(learning.parameters) & set(fixed.parameters):
        return False
    one, other = (
        [evidence.record.parameters[n].shape for n in forward.parameters]
        for forward in (learning, fixed)
    )
    return one == other


def _stays(evidence: Evidence, fixed: ForwardPass) -> bool:
    """Return whether the weights of a network are the same at all of its passes."""
    passes = [one for one in evidence.record.passes if one.network is fixed.network]
    return len({one.weights for one in passes}) == 1 and fixed.weights != 0


def _begins_alike(evidence: Evidence, learning: ForwardPass, fixed: ForwardPass) -> bool:
    """Return whether both networks have the same weights at their first passes."""
    first = next(p for p in evidence.record.passes if p.network is learning.network)
    return first.weights == fixed.weights


def _name_of(evidence: Evidence, fixed: ForwardPass) -> str:
    """Return the last part of the name by which a network is called."""
    site = site_of(evidence, fixed.places)
    return called_name(site.call) if site else ""


def _copies_later(source: Source, name: str) -> bool:
    """Return whether code that may run in a loop copies weights, or assigns another network."""
    mentioned = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in source.expressions
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return any(
        _changes_weights(node, name) and _is_repeated(source, node, mentioned)
        for node in source.expressions
    )


def _changes_weights(node: ast.expr, name: str) -> bool:
    """Return whether a call copies weights, or `.data` or the network itself is assigned."""
    if isinstance(node, ast.Call):
        return called_name(node) in COPIES
    if not isinstance(node, ast.Attribute | ast.Name) or not isinstance(node.ctx, ast.Store):
        return False
    return (node.attr if isinstance(node, ast.Attribute) else node.id) in {"data", name}


def _is_repeated(source: Source, node: ast.expr, mentioned: set[str]) -> bool:
    """Return whether a node is in a loop, or in a function that is used, constructors aside."""
    if source.loops_around(node):
        return True
    function = source.function_of(node)
    return function is not None and function.name != "__init__" and function.name in mentioned
