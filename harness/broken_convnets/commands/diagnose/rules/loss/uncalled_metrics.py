"""A metric that the program defines and does not call tells right answers from wrong ones."""

from __future__ import annotations

import ast
import math
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.asked_again import asked_again
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.commands.diagnose.user_functions import user_functions
from broken_convnets.observe.recorder.metric_calls import MetricCall
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

CLOSE = 1e-3
EACH = 4  # samples of each class
CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
CHOICES = frozenset({"argmax", "max", "amax", "topk"})
EQUALITIES = frozenset({"eq", "ne"})
# Calls that read and compute tensors and numbers, and change nothing.
PURE = CHOICES | EQUALITIES | {"float", "double", "long", "int", "mean", "sum", "item", "len"}
PURE |= {"size", "numel", "squeeze", "unsqueeze", "view", "view_as", "reshape", "flatten", "t"}
PURE |= {"cpu", "detach", "softmax", "log_softmax", "sigmoid", "expand_as", "type_as"}
STATEMENTS = (ast.Assign, ast.Return, ast.Expr)


@rule(
    "a metric that is not called returns different values for right and for wrong answers",
    stays_quiet="about functions that run, that have other parameters than scores and labels, that "
    "do more than to compute a number, and unless a loss of class indices shows what labels are",
)
def metric_ignores_answers(evidence: Evidence) -> Iterator[Finding]:
    """Call metrics of the user's, which do not run here, with right and with wrong answers."""
    require_success(evidence)
    shape = _scores_shape(evidence)
    for source, syntax, function in user_functions(evidence) if shape else ():
        names = _scores_and_labels(syntax)
        if names is None or not _is_pure(syntax) or _ran(evidence, source, syntax):
            continue
        call = _call(function, shape, *names)
        numbers = numbers_from_child(partial(asked_again, call))
        if numbers is None or not all(map(math.isfinite, numbers[:2])):
            continue
        right, wrong = numbers[:2]
        if abs(right - wrong) > CLOSE:
            continue
        node, attempts = _mistake(source, syntax)
        yield Finding(
            kind="loss/broadcast_metric",
            message=f"{syntax.name}() returns the same value for right and for wrong answers",
            evidence=f"called with scores of shape {list(shape)} and labels of shape "
            f"{[shape[0], *shape[2:]]}, as the loss here, it returns {right:.4g} if all answers "
            f"are right, and {wrong:.4g} if all are wrong",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location_in(source, node),
            subject=syntax.name,
            cases=("loss/broadcast_accuracy",),
            candidates=candidates(*attempts),
            confidence=6,
        )


def _scores_shape(evidence: Evidence) -> tuple[int, ...]:
    """Return a shape of scores that has every class; nothing if no loss has class indices."""
    for loss in evidence.record.losses:
        scores, labels = loss.operator.inputs[:2]
        numbers = loss.name in CLASS_LOSSES and labels.dtype is torch.int64
        fit = scores.shape[:1] + scores.shape[2:] == labels.shape
        if numbers and fit and scores.shape[1:2] > (1,):
            return (EACH * scores.shape[1], *scores.shape[1:])
    return ()


def _scores_and_labels(syntax: ast.FunctionDef) -> tuple[str, str] | None:
    """Return the parameters of a metric: the one that classes are chosen from, and the other."""
    arguments = syntax.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    others = [*arguments.kwonlyargs, arguments.vararg, arguments.kwarg, *arguments.defaults]
    if len(names) != 2 or any(others) or syntax.decorator_list:  # noqa: PLR2004  (scores, labels)
        return None
    nodes = list(ast.walk(syntax))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    compares = any(called_name(call) in EQUALITIES for call in calls) or any(
        isinstance(node, ast.Eq | ast.NotEq) for node in nodes
    )
    chosen = {
        part.id
        for call in calls
        if called_name(call) in CHOICES
        for part in ast.walk(call)
        if isinstance(part, ast.Name) and part.id in names
    }
    if not compares or len(chosen) != 1:
        return None
    scores = chosen.pop()
    return scores, next(name for name in names if name != scores)


def _is_pure(syntax: ast.FunctionDef) -> bool:
    """Return whether a function only computes: it calls nothing but operators of tensors."""
    if not all(isinstance(statement, STATEMENTS) for statement in syntax.body):
        return False
    allowed = (ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    for node in ast.walk(syntax):
        if isinstance(node, ast.Call) and called_name(node) not in PURE:
            return False
        stores = isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
        if stores or isinstance(node, allowed):
            return False
    return True


def _ran(evidence: Evidence, source: Source, syntax: ast.FunctionDef) -> bool:
    return any(
        place.file == source.path and syntax.lineno <= place.line <= (syntax.end_lineno or 0)
        for operator in evidence.record.operators
        for place in operator.places[:1]
    )


def _call(function: FunctionType, shape: tuple[int, ...], scores: str, labels: str) -> MetricCall:
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(shape, generator=generator)
    numbers = torch.zeros((shape[0], *shape[2:]), dtype=torch.int64)
    return MetricCall(function, {scores: given, labels: numbers}, scores, labels)


def _mistake(
    source: Source, syntax: ast.FunctionDef
) -> tuple[ast.expr | ast.stmt, list[tuple[int, Callable[[], Patch]]]]:
    """Return what makes a metric wrong, and changes; else its last `return`."""
    for call in (node for node in ast.walk(syntax) if isinstance(node, ast.Call)):
        if called_name(call) not in CHOICES:
            continue
        for keyword in call.keywords:
            if keyword.arg == "keepdim":
                return call, [(0, partial(edits.replace, source, [(keyword.value, "False")]))]
        parent = source.parent(call)
        if isinstance(parent, ast.Attribute) and parent.attr == "values":
            new = f"{source.text_of(call)}.indices"
            return call, [(0, partial(edits.replace, source, [(parent, new)]))]
        if called_name(call) in {"max", "topk"}:
            return call, []
    return syntax.body[-1], []
