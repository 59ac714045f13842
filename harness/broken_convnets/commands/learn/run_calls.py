"""The calls that `run` makes for their effects, which a fix must keep.

Without this check, deleting the failing part of a run would look like a fix.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.learn.editable_parts import RUN, top_level_parts

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Case

# The laws check the effect of these calls, or they have none that matters.
IGNORED_CALLS = {"backward", "eval", "inference_mode", "no_grad", "print", "train", "zero_grad"}
OPTIMIZERS = {"adadelta", "adagrad", "adam", "adamax", "adamw", "nadam", "rmsprop", "sgd"}
# The result shows the effect of these methods, however it is computed.
VALUE_METHODS = {"append", "detach", "extend", "item", "max", "mean", "norm", "numel", "sum"}
VALUE_MODULES = {"F", "nn.functional", "torch", "torch.nn.functional"}
NOT_VALUES = {"autocast", "compile", "load", "save"}  # functions of torch with other effects


def dropped_calls(case: Case, source: str, *, same_result: bool) -> list[str]:
    """Return what `run` calls for its effects in case and fix, and `source` never calls.

    What only computes a value does not count if `source` has the `same_result` as the fix.
    """
    sides = [top_level_parts(text).get(RUN) for text in (case.broken, case.fixed)]
    if None in sides:
        return []
    wanted = set.intersection(*(_effects(side, same_result=same_result) for side in sides if side))
    there = {_normalized(name) for name in names_in(source)}
    return sorted(name for name in wanted - IGNORED_CALLS if _normalized(name) not in there)


def names_in(source: str) -> list[str]:
    """Return the last part of every name that a program refers to."""
    return [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Attribute, ast.Name))
    ]


def _effects(node: ast.AST, *, same_result: bool) -> set[str]:
    """Return the calls in statements that are only calls, and those of torch's functions."""
    statements = [item.value for item in ast.walk(node) if isinstance(item, ast.Expr)]
    calls = {call for value in statements for call in ast.walk(value)}
    calls |= {call for call in ast.walk(node) if _is_of_torch(call)}
    functions = [_function(call) for call in calls if isinstance(call, ast.Call)]
    return {name for module, name in functions if not (same_result and _is_value(module, name))}


def _is_of_torch(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("torch.", "nn.", "F."))


def _function(call: ast.Call) -> tuple[str, str]:
    """Return what is called: ("nn", "CrossEntropyLoss") for `nn.CrossEntropyLoss()(a, b)`."""
    function = call.func
    while isinstance(function, ast.Call):
        function = function.func
    module, _, name = ast.unparse(function).rpartition(".")
    return module, name


def _is_value(module: str, name: str) -> bool:
    """Return whether a function only computes the value that it returns, or appends one."""
    if module in VALUE_MODULES:
        return name not in NOT_VALUES
    return name in VALUE_METHODS or name.endswith("Loss")


def _normalized(name: str) -> str:
    """Return one spelling for `cross_entropy` and `CrossEntropyLoss`, and one for optimizers."""
    spelling = name.lower().replace("_", "").removesuffix("loss")
    return "optimizer" if spelling in OPTIMIZERS else spelling
