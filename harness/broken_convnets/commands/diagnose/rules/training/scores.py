"""Whether a number in the user's source is a loss or an accuracy, as the run computed it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.counters import (
    counted,
    is_comparison,
    scope_of,
    unwrapped,
)
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.rules.training.bound_values import (
    Bound,
    bound_values,
    returned_by,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

# Losses that are never negative, and smaller if the network is better.
LOSSES = frozenset(
    {"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
    | {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss"}
    | {"multilabel_soft_margin_loss", "multi_margin_loss", "ctc_loss"}
)
LEAVING = frozenset({"item", "__float__", "numpy", "tolist"})  # operators that leave torch
SAME = TRANSPARENT | {"detach", "detach_", "__get__ data", "mean", "sum"}
GROWING = frozenset({"sum", "mean", "average", "fmean", "nanmean", "round", "array", "exp"})
UNKNOWN = "unknown"
STEPS = 60  # expressions that are looked at for one number
HUNDRED = 100


@dataclass(frozen=True)
class Score:
    """A number that grows with a loss or an accuracy, and with nothing else that is known.

    `seen` are values of the loss in this run. `percent` says that the number 100 takes part.
    """

    kind: str  # "loss" or "accuracy"
    seen: tuple[float, ...]
    percent: bool


class Scores:
    """Follows numbers back through the user's source to operators that ran."""

    def __init__(self, evidence: Evidence) -> None:
        """Index the losses, and the operators that make numbers of tensors, by their places."""
        self._evidence = evidence
        self._ran: dict[tuple[object, ...], list[Operator]] = {}
        for one in evidence.record.operators:
            if one.place is not None and (one.name in LEAVING or one.name in LOSSES):
                p = one.place
                key = (p.file, p.line, p.column, p.end_line, p.end_column)
                self._ran.setdefault(key, []).append(one)

    def of(self, bound: Bound) -> Score | None:
        """Return what a number is; None if it may fall while a loss or an accuracy grows."""
        kinds: set[str] = set()
        seen: list[float] = []
        known, waiting, percent = {bound}, [bound], False
        while waiting and len(known) < STEPS:
            one = waiting.pop()
            leaf = self._leaf(one)
            if leaf is None:
                for more in self._parts(one):
                    waiting += [more] if more not in known else []
                    known.add(more)
            kinds |= {leaf[0]} if leaf else set()
            seen += leaf[1] if leaf else []
            percent |= isinstance(one.node, ast.Constant) and one.node.value == HUNDRED
        unclear = waiting or len(kinds) != 1 or UNKNOWN in kinds or any(n < 0 for n in seen)
        return None if unclear else Score(kinds.pop(), tuple(seen), percent)

    def _leaf(self, bound: Bound) -> tuple[str, list[float]] | None:
        """Return what an expression is, and its values; None for one that has parts."""
        source, node = bound.source, bound.node
        if not isinstance(node, ast.Call) or bound.item is not None:
            falls = isinstance(node, ast.UnaryOp) or not _grows(node)
            return (UNKNOWN, []) if falls and not isinstance(node, ast.Call) else None
        if _is_share(node) or counted(node, scope_of(source, node), source) is not None:
            return "accuracy", []
        key = (source.path, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        ran = self._ran.get(key, [])
        values = [v for one in ran for v in (one.outputs if one.name in LOSSES else one.inputs)]
        if not values:
            return None
        losses = all(is_loss(self._evidence, value) for value in values)
        return "loss" if losses else UNKNOWN, [v.scalar for v in values if v.scalar is not None]

    def _parts(self, bound: Bound) -> list[Bound]:
        """Return the expressions that one is computed from, as far as they are known."""
        node = bound.node
        if isinstance(node, ast.BinOp):
            return [bound.at(node.left), bound.at(node.right)][: 1 if _divides(node) else 2]
        if isinstance(node, ast.List | ast.Tuple):
            return [bound.at(one) for one in node.elts]
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return [bound.at(node.elt)]
        if isinstance(node, ast.Name | ast.Attribute):
            return bound_values(self._evidence, bound) or []
        return self._called(bound, node) if isinstance(node, ast.Call) else []

    def _called(self, bound: Bound, node: ast.Call) -> list[Bound]:
        inner = unwrapped(node)
        if bound.item is None and inner is not node:
            return [bound.at(inner)]
        if called_name(node) in GROWING:
            function = node.func
            own = [function.value] if isinstance(function, ast.Attribute) else []
            return [bound.at(one) for one in (node.args[:1] or own)]
        return returned_by(self._evidence, node, bound.item) or []


def _divides(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Div | ast.FloorDiv)


def _grows(node: ast.expr) -> bool:
    """Return whether an expression grows with what it is computed from."""
    return not isinstance(node, ast.BinOp) or (
        isinstance(node.op, ast.Add | ast.Mult) or _divides(node)
    )


def _is_share(node: ast.Call) -> bool:
    """Return whether a call is `(a == b).float().mean()`."""
    inner = unwrapped(node)
    if not isinstance(inner, ast.Call) or called_name(inner) != "mean":
        return False
    given = inner.args[0] if inner.args else getattr(inner.func, "value", None)
    return isinstance(given, ast.expr) and is_comparison(unwrapped(given))


def is_loss(evidence: Evidence, value: Value, left: int = STEPS) -> bool:
    """Return whether a value is a loss, or the sum of losses."""
    operator = evidence.record.producer(value)
    if operator is None or not operator.inputs or not left:
        return False
    if operator.name in LOSSES:
        return True
    if operator.name not in SAME and plain_name(operator) not in {"add", "div"}:
        return False
    parts = operator.inputs if plain_name(operator) == "add" else operator.inputs[:1]
    return all(is_loss(evidence, one, left - 1) for one in parts)
