"""Spell operations in another way: as a torch function or as a tensor method."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.calls import (
    attribute_of,
    call,
    functional_name,
    is_of_torch,
    rewritten,
)
from broken_convnets.commands.variants.syntax import dotted

if TYPE_CHECKING:
    from random import Random

    from broken_convnets.commands.variants.program_pair import ProgramPair

POINTWISE = ("relu", "sigmoid", "tanh", "softmax", "log_softmax")
REDUCTIONS = ("mean", "sum", "argmax", "amax", "squeeze", "unsqueeze", "transpose", "permute")


def activations(pair: ProgramPair, rng: Random) -> bool:
    """Spell activations and softmax as torch functions, tensor methods, or in nn.functional."""
    style = {name: rng.choice(("torch", "method", "functional")) for name in POINTWISE} | {
        "sigmoid": rng.choice(("torch", "method")),
        "tanh": rng.choice(("torch", "method")),
    }
    base = functional_name(pair)

    def rewrite(node: ast.Call) -> ast.expr | None:
        for name, spelling in style.items():
            if not is_of_torch(node, name):
                continue
            if spelling == "method" and not _is_bare_operator(node.args[0]):
                return call(attribute_of(node.args[0], name), node.args[1:], node.keywords)
            where = base if spelling == "functional" else "torch"
            if dotted(node.func) != f"{where}.{name}" and spelling != "method":
                return call(f"{where}.{name}", node.args, node.keywords)
        return None

    return rewritten(pair, rewrite)


def _is_bare_operator(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare | ast.Lambda)


def flattening(pair: ProgramPair, rng: Random) -> bool:
    """Spell flatten as a function or a method, its dimension by keyword or by position."""
    as_method, by_name = rng.random() < 0.5, rng.random() < 0.5  # noqa: PLR2004  (half of the time)

    def rewrite(node: ast.Call) -> ast.expr | None:
        if is_of_torch(node, "flatten"):
            value, rest = node.args[0], node.args[1:]
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "flatten" and node.args:
            value, rest = node.func.value, node.args
        else:
            return None
        if len(rest) != 1 or node.keywords:
            return None
        words = [ast.keyword("start_dim", rest[0])] if by_name else []
        where = [] if by_name else rest
        if as_method:
            return call(attribute_of(value, "flatten"), where, words)
        return call("torch.flatten", [value, *where], words)

    return rewritten(pair, rewrite)


def reductions(pair: ProgramPair, rng: Random) -> bool:
    """Replace tensor methods such as `x.mean(...)` by torch functions."""
    chosen = {name for name in REDUCTIONS if rng.random() < 0.6}  # noqa: PLR2004  (most)

    def rewrite(node: ast.Call) -> ast.expr | None:
        function = node.func
        if not isinstance(function, ast.Attribute) or function.attr not in chosen:
            return None
        # Arrays have no such functions; only tensors call the dimension `dim`.
        words = {word.arg for word in node.keywords}
        root = dotted(function.value).partition(".")[0]
        certain = "dim" in words or (function.attr in {"squeeze", "unsqueeze"} and node.args)
        if not certain or root in {"torch", "np", "numpy", "F"}:
            return None
        return call(f"torch.{function.attr}", [function.value, *node.args], node.keywords)

    return rewritten(pair, rewrite)
