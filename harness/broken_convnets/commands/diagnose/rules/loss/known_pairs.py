"""Pairs of predictions and labels whose counts are known, and what names and operators mean."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from broken_convnets.commands.diagnose.rules.loss.confusion_tables import counted_rows

if TYPE_CHECKING:
    from collections.abc import Callable

PREDICTED = np.repeat([1, 1, 0, 0], [1, 2, 4, 8]).astype(float)
ACTUAL = np.repeat([1, 0, 1, 0], [1, 2, 4, 8]).astype(float)
PREDICTION = re.compile(r"pred|out|logit|hat|score|prob|guess|decision|result")
NETWORK = re.compile(r"(^|_|\.)(net|model|classifier|forward|sigmoid|softmax|network)($|_)")
LABEL = re.compile(
    r"(^|_|\.)(labels?|targets?|tgt|trgt|y|y_?true|true_?y|y_?b|yb|y_?batch|gt|gts|truth|masks?"
    r"|actuals?|ys|lbls?|lab|y_?val|y_?test|annotations?)(_\w+)?$"
)
SAME = frozenset({"float", "long", "int", "double", "bool", "byte", "cpu", "numpy", "detach"})
SAME |= {"flatten", "view", "reshape", "squeeze", "unsqueeze", "item", "to", "astype", "type"}
SAME |= {"ravel", "contiguous", "type_as", "view_as", "clone", "copy", "tolist", "clamp", "half"}
SAME |= {"clamp_min", "clip", "array", "asarray", "tensor", "as_tensor", "mean", "nanmean"}
CHOICES = frozenset({"argmax", "round", "max", "topk", "heaviside"})
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.BitAnd: lambda a, b: a * b,
    ast.BitOr: np.maximum,
    ast.BitXor: lambda a, b: abs(a - b),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("logical_and", "bitwise_and", "mul", "multiply"), OPERATORS[ast.Mult]),
    **dict.fromkeys(("logical_or", "bitwise_or"), np.maximum),
    **dict.fromkeys(("logical_not", "bitwise_not"), lambda a: 1 - a),
    **dict.fromkeys(("logical_xor", "bitwise_xor"), OPERATORS[ast.BitXor]),
    **dict.fromkeys(("eq", "equal"), lambda a, b: np.equal(a, b) * 1.0),
    **dict.fromkeys(("ne", "not_equal"), lambda a, b: np.not_equal(a, b) * 1.0),
    **dict.fromkeys(("div", "divide", "true_divide"), OPERATORS[ast.Div]),
    "add": OPERATORS[ast.Add],
}


SUMS = frozenset({"sum", "count_nonzero"})
TABLES = {"bincount": counted_rows, "diag": np.diagonal, "diagonal": np.diagonal}
EXTREMES = {"max": max, "min": min}
MODULES = frozenset({"torch", "np", "numpy"})
# What operators of NumPy raise for values that they cannot combine.
FAILURES = (TypeError, ValueError, IndexError, ZeroDivisionError)


# Counts that are computed in another way, as those of detections.
NAMED_COUNTS = {
    r"(^|\.)(tp|tps|true_?pos(itives?)?)$": 1.0,
    r"(^|\.)(fp|fps|false_?pos(itives?)?)$": 2.0,
    r"(^|\.)(fn|fns|false_?neg(atives?)?)$": 4.0,
    r"(^|\.)(tn|tns|true_?neg(atives?)?)$": 8.0,
}


class Unknown(Exception):  # noqa: N818  (an answer, not an error)
    """A node whose value is not known."""


def number(node: ast.Constant) -> float:
    """Return a number that is written out; raises Unknown."""
    if not isinstance(node.value, int | float):
        raise Unknown
    return float(node.value)


def named(node: ast.Name | ast.Attribute) -> Any:
    """Return the pairs for a name of labels or predictions, or a count; raises Unknown."""
    text = ast.unparse(node).lower()
    for words, count in NAMED_COUNTS.items():
        if re.search(words, text):
            return count
    if text.startswith(("self.", "np.", "torch.")):
        raise Unknown
    if PREDICTION.search(text):
        return PREDICTED
    if LABEL.search(text):
        return ACTUAL
    raise Unknown


def unknown(_: Any) -> Any:
    """Raise Unknown."""
    raise Unknown
