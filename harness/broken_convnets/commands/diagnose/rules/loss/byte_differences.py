"""Arrays of 8-bit pixels are converted before one is subtracted from the other.

https://numpy.org/doc/stable/user/basics.types.html#overflow-errors: differences of uint8 wrap
around modulo 256. Arrays of NumPy are not recorded, so their dtype is read from the source.
"""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

BYTES = frozenset({"np.uint8", "numpy.uint8", "'uint8'"})
SIZES = frozenset({"abs", "absolute", "square"})


@rule(
    "8-bit pixels are converted before one array is subtracted from another",
    stays_quiet="unless a function squares the difference of two arguments, or takes its absolute "
    "value, and each call passes on what functions return that end with a conversion to uint8",
)
def difference_of_bytes(evidence: Evidence) -> Iterator[Finding]:
    """Find errors and PSNRs of uint8 arrays, whose differences wrap around."""
    for source in evidence.user_sources:
        functions = [node for node in source.tree.body if isinstance(node, ast.FunctionDef)]
        makers = {one.name for one in functions if _returns_bytes(one)}
        for function in functions if makers else ():
            difference = _difference(source, function)
            calls = [
                node
                for node in source.expressions
                if isinstance(node, ast.Call) and source.text_of(node.func) == function.name
            ]
            if (
                difference
                and calls
                and all(_passes_bytes(source, one, function, difference, makers) for one in calls)
            ):
                yield _finding(source, function, difference, calls[0])


def _finding(
    source: Source, function: ast.FunctionDef, difference: ast.BinOp, call: ast.Call
) -> Finding:
    left, text = source.text_of(difference.left), source.text_of(difference)
    new = f"{left}.astype('float64')"
    return Finding(
        kind="loss/broadcast_metric",
        message=f"`{text}` wraps around: both arrays are uint8, so 1 - 2 is 255",
        evidence=f"every call of {function.name}() passes on arrays that were converted to uint8, "
        "and nothing converts them before they are subtracted",
        cause=location_in(source, difference),
        symptom=location_in(source, call),
        subject=text,
        candidates=candidates((0, partial(edits.replace, source, [(difference.left, new)]))),
        confidence=7,
    )


def _returns_bytes(function: ast.FunctionDef) -> bool:
    """Return whether all that a function returns was converted to uint8 last."""
    found = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return bool(found) and all(one is not None and _is_bytes(one) for one in found)


def _is_bytes(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "astype":
        return ast.unparse(node.args[0]) in BYTES
    return ast.unparse(node.func) in BYTES


def _difference(source: Source, function: ast.FunctionDef) -> ast.BinOp | None:
    """Return the difference of two arguments whose size counts; None if they are converted."""
    names = {one.arg for one in (*function.args.posonlyargs, *function.args.args)}
    for node in ast.walk(function):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
            continue
        if _is_size(source, node):
            both = [side.id for side in (node.left, node.right) if isinstance(side, ast.Name)]
            if len(set(both) & names) == 2 and all(_is_only_cropped(function, n) for n in both):  # noqa: PLR2004  (both sides)
                return node
    return None


def _is_size(source: Source, node: ast.BinOp) -> bool:
    """Return whether a difference is squared, or its absolute value is taken."""
    parent = source.parent(node)
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Pow) and parent.left is node
    return isinstance(parent, ast.Call) and node in parent.args and called_name(parent) in SIZES


def _is_only_cropped(function: ast.FunctionDef, name: str) -> bool:
    """Return whether a function assigns nothing to its argument but a part of it."""
    stores = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    crops = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and [ast.unparse(target) for target in node.targets] == [name]
        and ast.unparse(node.value.value) == name
    ]
    return len(stores) == len(crops)


def _passes_bytes(
    source: Source,
    call: ast.Call,
    function: ast.FunctionDef,
    difference: ast.BinOp,
    makers: set[str],
) -> bool:
    """Return whether a call passes on two arrays that functions have converted to uint8."""
    parameters = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    given = dict(zip(parameters, call.args, strict=False))
    given |= {one.arg: one.value for one in call.keywords if one.arg}
    needed = [source.text_of(side) for side in (difference.left, difference.right)]
    scope = source.function_of(call) or source.tree
    return all(name in given and _is_made(given[name], scope, makers) for name in needed)


def _is_made(node: ast.expr, scope: ast.AST, makers: set[str]) -> bool:
    """Return whether a value is the result of one of some functions, or of a conversion."""
    if isinstance(node, ast.Call):
        return _is_bytes(node) or ast.unparse(node.func) in makers
    if not isinstance(node, ast.Name):
        return False
    stores = [
        one
        for one in ast.walk(scope)
        if isinstance(one, ast.Name) and one.id == node.id and isinstance(one.ctx, ast.Store)
    ]
    values = [
        one.value
        for one in ast.walk(scope)
        if isinstance(one, ast.Assign) and any(store in one.targets for store in stores)
    ]
    made = [isinstance(v, ast.Call) and _is_made(v, scope, makers) for v in values]
    return bool(made) and len(made) == len(stores) and all(made)
