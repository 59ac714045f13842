"""Which numbers arrays of NumPy have that a tensor was converted to.

Arrays are not recorded. What is known are the tensors that become arrays, and what the syntax does
with these before they are used.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import assignments
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.contents import Contents

    Ranges = dict[ast.expr, tuple[float, float]]

PIXELS = 64  # of an image, at least
DEPTH = 6  # of assignments
SAME = frozenset({"transpose", "copy", "squeeze", "reshape", "round", "rint", "swapaxes", "array"})
SAME |= {"asarray", "ascontiguousarray", "moveaxis", "flatten", "astype"}


def is_image(contents: Contents) -> bool:
    """Return whether there are as many numbers as an image has, none of them infinite."""
    return contents.count >= PIXELS and contents.finite and contents.dtype.is_floating_point


def converted(evidence: Evidence) -> Iterator[tuple[Source, Ranges, set[ast.expr]]]:
    """Yield the calls of numpy() of each file with the range of their tensors.

    The third are those whose tensors depend on a network.
    """
    ranges: dict[str, Ranges] = {}
    made: set[ast.expr] = set()
    for operator in evidence.record.operators:
        contents = evidence.record.read_inputs.get(operator.number)
        if operator.name != "numpy" or contents is None or not is_image(contents):
            continue
        place = operator.places[0]
        source = evidence.source(place.file)
        node = source.call_at(place) if source else None
        if node is None:
            continue
        ends = contents.minimum, contents.maximum
        former = ranges.setdefault(place.file, {}).get(node, ends)
        ranges[place.file][node] = min(former[0], ends[0]), max(former[1], ends[1])
        if evidence.flow.depends_on_network(operator.inputs[0]):
            made.add(node)
    for file, known in ranges.items():
        source = evidence.source(file)
        if source is not None:
            yield source, known, made


def ends_of(
    source: Source, node: ast.expr, known: Ranges, depth: int = DEPTH
) -> tuple[float, float] | None:
    """Return the least and the greatest number of an expression; None if they are not known."""
    if node in known or not depth:
        return known.get(node)
    if isinstance(node, ast.Name):
        scope = source.function_of(node) or source.tree
        if _is_written_to(scope, node.id):
            return None
        values = [
            one.value for one in assignments(source, node.id, scope) if one.lineno < node.lineno
        ]
        return ends_of(source, values[-1], known, depth - 1) if values else None
    if isinstance(node, ast.BinOp):
        return _combined(source, node, known, depth)
    inner = _inner(node)
    return ends_of(source, inner, known, depth - 1) if inner is not None else None


def _inner(node: ast.expr) -> ast.expr | None:
    """Return the array whose numbers an item or a call keeps; None if there is none."""
    if isinstance(node, ast.Subscript):
        return node.value
    if not isinstance(node, ast.Call) or called_name(node) not in SAME:
        return None
    if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) != "np":
        return node.func.value
    return node.args[0] if node.args else None


def _combined(
    source: Source, node: ast.BinOp, known: Ranges, depth: int
) -> tuple[float, float] | None:
    """Return the ends of a sum, a product or a quotient with a number."""
    number = node.right.value if isinstance(node.right, ast.Constant) else None
    ends = ends_of(source, node.left, known, depth - 1)
    if ends is None or not isinstance(number, int | float) or not number:
        return None
    changed = {
        ast.Add: [one + number for one in ends],
        ast.Sub: [one - number for one in ends],
        ast.Mult: [one * number for one in ends],
        ast.Div: [one / number for one in ends],
    }.get(type(node.op))
    return (min(changed), max(changed)) if changed else None


def _is_written_to(scope: ast.AST, name: str) -> bool:
    """Return whether items of an array are assigned, or it is the output of a call."""
    for node in ast.walk(scope):
        if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == name:
            return True
        stores = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Subscript) and stores and ast.unparse(node.value) == name:
            return True
        if isinstance(node, ast.keyword) and node.arg == "out" and ast.unparse(node.value) == name:
            return True
    return False
