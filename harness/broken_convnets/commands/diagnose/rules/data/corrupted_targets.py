"""A network that restores corrupted inputs learns from the inputs as they were before."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

RANDOM = frozenset({"rand", "rand_like", "randn", "randn_like", "bernoulli", "randperm", "randint"})
WRITES = frozenset({"__setitem__", "masked_fill_", "add_", "mul_", "__iadd__", "__imul__"})
ORDERS = frozenset({"flip", "fliplr", "flipud", "roll", "rot90", "transpose", "permute"})
STEPS = 4  # operators that write to one tensor


@rule(
    "the target of a network that removes noise has no noise",
    stays_quiet="unless the input and the target of a loss are one tensor with two names, into "
    "which an operator with random numbers wrote in place after both names were given; about "
    "parts that only change their places, as in a random flip",
)
def target_is_corrupted_too(evidence: Evidence) -> Iterator[Finding]:
    """Find `noisy = x; noisy[mask] = 0; loss(net(noisy), x)`."""
    require_success(evidence)
    for call in evidence.record.losses:
        loss = call.operator
        if len(loss.inputs) < 2 or not loss.places:  # noqa: PLR2004  (prediction, target)
            continue
        target = loss.inputs[1]
        found = evidence.flow.pass_of(loss.inputs[0])
        write = _random_write(evidence, target) if found and target in found.received else None
        if found is None or write is None or not _has_two_names(evidence, found, loss, write):
            continue
        yield Finding(
            kind="data/inplace_mutates_constant",
            message="the input is corrupted in place, and is the target as well: there is nothing "
            "to restore",
            evidence=f"`{write.places[0].text}` writes into a tensor of shape "
            f"{list(target.shape)} that the network receives, and that {loss.name} has as its "
            "target; corrupt a clone of it",
            cause=location(write.places),
            symptom=location(loss.places),
            subject=write.places[0].text,
            confidence=7,
        )
        return


def _random_write(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that wrote random numbers, or at random places, into a tensor."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in WRITES or not operator.inputs:
            return None
        known = evidence.flow.ancestors(operator.inputs[1:])
        makers = (evidence.record.producer(one) for one in known)
        if operator.places and any(one is not None and one.name in RANDOM for one in makers):
            return None if _is_moved(evidence, operator.inputs[-1]) else operator
        value = operator.inputs[0]
    return None


def _is_moved(evidence: Evidence, value: Value) -> bool:
    """Return whether written numbers are those of a tensor in another order."""
    operator = evidence.record.producer(value)
    while operator is not None and operator.inputs and operator.name in {"__getitem__", "clone"}:
        operator = evidence.record.producer(operator.inputs[0])
    return operator is not None and operator.name in ORDERS


def _has_two_names(
    evidence: Evidence, forward: ForwardPass, loss: Operator, write: Operator
) -> bool:
    """Return whether one function has a name for the input, and another one for the target.

    What is named only after the write may be corrupted on purpose, as by an augmentation.
    """
    one, other = site_of(evidence, forward.places), site_of(evidence, loss.places)
    if one is None or other is None or len(other.call.args) < 2 or not one.call.args:  # noqa: PLR2004
        return False
    given, target = one.call.args[0], other.call.args[1]
    if not isinstance(given, ast.Name) or not isinstance(target, ast.Name):
        return False
    function = one.source.function_of(one.call)
    if function is not other.source.function_of(other.call) or given.id == target.id:
        return False
    name = function.name if isinstance(function, ast.FunctionDef) else "<module>"
    lines = [p.line for p in write.places if p.file == one.source.path and p.function == name]
    scope = function or one.source.tree
    return bool(lines) and all(_first_line(scope, n.id) <= lines[0] for n in (given, target))


def _first_line(scope: ast.AST, name: str) -> int:
    """Return the first line where a variable is bound in a function or module."""
    bound = [
        node.lineno
        for node in ast.walk(scope)
        if (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.arg) and node.arg == name)
    ]
    return min(bound, default=0)
