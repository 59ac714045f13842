"""A loss is smaller for right predictions than for wrong ones, and an overlap counts once."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.own_loss_terms import (
    compares_with_data,
    is_in_loss,
    minimized,
)
from broken_convnets.commands.diagnose.rules.loss.own_losses import OwnFunction, own_functions
from broken_convnets.commands.diagnose.sites import calls_named, candidates, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator

MARGIN = 1e-2  # by how much two results differ at least, as a share
HALF = 0.5
CLOSE = 2e-2


@rule(
    "a loss that the program defines is smaller for right predictions than for wrong ones",
    stays_quiet="unless the function compares one output with one target from the data, and "
    "nothing but losses of both trains the network; about functions that negate a loss of torch "
    "or read negative numbers from elsewhere, such as rewards, losses of distances and of "
    "margins, and gradient ascent; a warning for a single loss that needs data to be minimized",
)
def loss_grows_with_right_answers(evidence: Evidence) -> Iterator[Finding]:
    """Find `return dice` in a loss, and a similarity that is minimized."""
    require_success(evidence)
    for function in own_functions(evidence):
        if not function.grows_with_right_answers(MARGIN):
            continue
        operator, number = minimized(evidence, function) or (None, 0)
        if operator is None or not compares_with_data(evidence, function, operator):
            continue
        sure = number > 1 or function.is_never_meant  # another loss wants the opposite
        source, node = _changed_expression(evidence, function, operator)
        name = function.syntax.name
        yield Finding(
            kind="loss/wrong_loss",
            message=f"the optimizer minimizes {_called(function)}, which is larger for right "
            "predictions than for wrong ones",
            evidence=f"called again on copies, it returns {function.right:.4g} for predictions "
            f"that are equal to their targets, and {function.wrong:.4g} for wrong ones",
            severity=Severity.ERROR if sure else Severity.WARNING,
            cause=Location(source.path, node.lineno),
            subject=name,
            candidates=_turned(source, node, function),
            confidence=8,
        )


@rule(
    "the overlap of two equal masks is 1",
    stays_quiet="unless a function that compares scores with labels returns a half for equal "
    "masks, and 0 or 1 for masks that have nothing in common, divides by a sum, and no call "
    "multiplies its result; a warning for losses",
)
def overlap_of_equal_masks(evidence: Evidence) -> Iterator[Finding]:
    """Find an IoU whose union counts the intersection twice, and a Dice score without its 2."""
    require_success(evidence)
    for function in own_functions(evidence):
        quotient = _quotient(function) if _is_half(function) else None
        in_loss = quotient is not None and is_in_loss(evidence, function)
        if quotient is None or (in_loss and function.right > function.wrong):
            continue  # a negative overlap, which is minimized, may have any factor
        if _is_scaled_where_called(evidence, function):
            continue
        yield Finding(
            kind="loss/wrong_loss",
            message=f"{_called(function)} returns 0.5 for a prediction that is equal to its mask: "
            "a union counts the intersection once (IoU), or the intersection counts twice (Dice)",
            evidence=f"called again on copies, it returns {function.right:.3f} for equal masks, "
            f"and {function.wrong:.3f} for masks that share no pixel",
            severity=Severity.WARNING if in_loss else Severity.ERROR,
            cause=Location(function.source.path, _union_line(function, quotient)),
            subject=function.syntax.name,
            candidates=_doubled(function, quotient),
            confidence=7,
        )


def _is_half(function: OwnFunction) -> bool:
    """Return whether equal masks have an overlap of a half, and different ones none."""
    other = function.wrong if function.wrong < function.right else 1 - function.wrong
    return abs(function.right - HALF) < CLOSE and abs(other) < CLOSE


def _is_scaled_where_called(evidence: Evidence, function: OwnFunction) -> bool:
    """Return whether a call multiplies the result, as in 2 * overlap(p, t)."""
    calls = calls_named(evidence, function.syntax.name)
    around = (source.parent(call) for source, call in calls)
    return any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult) for one in around)


def _called(function: OwnFunction) -> str:
    owner = function.source.class_of(function.syntax)
    name = function.syntax.name
    return f"{owner.name}.{name}()" if owner else f"{name}()"


def _changed_expression(
    evidence: Evidence, function: OwnFunction, operator: Operator
) -> tuple[Source, ast.expr]:
    """Return what a loss returns; where it is called, for a function with another name."""
    owner = function.source.class_of(function.syntax)
    names = f"{function.syntax.name} {owner.name if owner else ''}".lower()
    returned = _returned(function)
    outer = [place for place in operator.places if not function.contains(place)]
    source = evidence.source(outer[0].file) if outer else None
    call = source.call_at(outer[0]) if source else None
    if source is None or call is None or (("loss" in names or "criterion" in names) and returned):
        return function.source, returned or function.syntax.body[-1]  # type: ignore[return-value]
    return source, call


def _returned(function: OwnFunction) -> ast.expr | None:
    found = [node for node in ast.walk(function.syntax) if isinstance(node, ast.Return)]
    return found[-1].value if found else None


def _turned(source: Source, node: ast.expr, function: OwnFunction) -> tuple[Candidate, ...]:
    """Return the change to 1 - score, or to the negative of what has no upper bound."""
    bounded = HALF < function.right <= 1 + MARGIN and function.wrong >= -1 - MARGIN
    text = source.text_of(node) if isinstance(node, ast.Call) else source.owner_text(node)
    new = f"1 - {text}" if bounded else f"-{text}"
    return candidates((0, partial(edits.replace, source, [(node, new)])))


def _quotient(function: OwnFunction) -> ast.BinOp | None:
    """Return the only division by a sum in a function; constant divisors do not count."""
    found = [
        node
        for node in ast.walk(function.syntax)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and not isinstance(node.right, ast.Constant)
    ]
    if len(found) != 1:
        return None
    adds = any(isinstance(node, ast.Add) for node in ast.walk(found[0].right))
    return found[0] if adds or _union(function, found[0]) is not None else None


def _union(function: OwnFunction, quotient: ast.BinOp) -> ast.Assign | None:
    """Return the statement that computes the denominator, if it has a name."""
    names = {node.id for node in ast.walk(quotient.right) if isinstance(node, ast.Name)}
    for statement in ast.walk(function.syntax):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(statement, ast.Assign) and isinstance(target, ast.Name):
            value = statement.value
            adds = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add)
            if target.id in names and adds:
                return statement
    return None


def _union_line(function: OwnFunction, quotient: ast.BinOp) -> int:
    union = _union(function, quotient)
    return union.lineno if union is not None else quotient.lineno


def _doubled(function: OwnFunction, quotient: ast.BinOp) -> tuple[Candidate, ...]:
    """Return the change of a sum of two masks to their union, or of the quotient to Dice."""
    source, union = function.source, _union(function, quotient)
    names = [n for n in ast.walk(quotient.left) if isinstance(n, ast.Name)]
    attempts = []
    if union is not None and names:
        new = f"{source.text_of(union.value)} - {names[0].id}"
        attempts.append((0, partial(edits.replace, source, [(union.value, new)])))
    if names:
        doubled = f"2 * {names[0].id}"
        attempts.append((1, partial(edits.replace, source, [(names[0], doubled)])))
    return candidates(*attempts)
