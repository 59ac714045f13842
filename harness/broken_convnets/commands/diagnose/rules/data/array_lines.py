"""Where an array that a function receives got the numbers and the dtype that it has."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import assignments, location, location_in, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place

DEPTH = 8  # assignments and calls that are followed
# Functions whose result has the dtype of their first argument.
SAME = frozenset(
    {"transpose", "copy", "squeeze", "reshape", "swapaxes", "moveaxis", "clip", "flip", "fliplr"}
    | {"ascontiguousarray", "resize", "cvtColor", "pad", "expand_dims", "repeat", "crop"}
)
LIBRARIES = frozenset({"np", "numpy", "cv2", "ndimage", "np.random"})


def line_of_array(evidence: Evidence, places: tuple[Place, ...]) -> Location | None:
    """Return where the first argument of a call is computed; the call if that is not known."""
    site = site_of(evidence, places)
    if site is None or not site.call.args:
        return location(places)
    found = _computed(site.source, site.call.args[0], DEPTH)
    return location_in(site.source, found) if found is not None else location(places)


def _computed(source: Source, node: ast.expr, depth: int) -> ast.expr | None:
    """Return the expression that computes an array; None for parameters and what is loaded."""
    if not depth:
        return None
    if isinstance(node, ast.Call):
        inner, returned = _unchanged(source, node), _returned(source, node)
        if inner is not None:
            return _computed(source, inner, depth - 1)
        found = _computed(source, returned, depth - 1) if returned is not None else node
        return found or returned
    if isinstance(node, ast.BinOp):
        return node
    value = _origin(source, node)
    return _computed(source, value, depth - 1) if value is not None else None


def _origin(source: Source, node: ast.expr) -> ast.expr | None:
    """Return the expression that an array is read from: of a name, an item or a list."""
    if isinstance(node, ast.ListComp):
        return node.elt
    if isinstance(node, ast.Name | ast.Attribute):
        return _assigned(source, node) or _looped(source, node)
    return node.value if isinstance(node, ast.Subscript) else None


def _assigned(source: Source, node: ast.Name | ast.Attribute) -> ast.expr | None:
    """Return what was last assigned to a name of the function, or to an attribute."""
    text = source.text_of(node)
    scope: ast.AST = source.function_of(node) or source.tree
    if isinstance(node, ast.Attribute):
        scope = source.class_of(node) or source.tree
    found = [one.value for one in assignments(source, text, scope) if len(one.targets) == 1]
    if isinstance(node, ast.Name):
        found = [one for one in found if one.lineno < node.lineno][-1:]
    return found[0] if len(found) == 1 else None


def _looped(source: Source, node: ast.Name | ast.Attribute) -> ast.expr | None:
    """Return what a loop or a comprehension goes over whose variable a name is."""
    for one in source.ancestors(node):
        loops = getattr(one, "generators", [one] if isinstance(one, ast.For) else [])
        for loop in loops:
            is_variable = isinstance(loop.target, ast.Name) and isinstance(node, ast.Name)
            if is_variable and loop.target.id == source.text_of(node):
                return loop.iter if isinstance(loop.iter, ast.Name | ast.Attribute) else None
    return None


def _unchanged(source: Source, call: ast.Call) -> ast.expr | None:
    """Return the array whose dtype a call returns; None if it computes another one."""
    if called_name(call) not in SAME:
        return None
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if owner is not None and source.text_of(owner) not in LIBRARIES:
        return owner
    return call.args[0] if call.args else None


def _returned(source: Source, call: ast.Call) -> ast.expr | None:
    """Return what a function of the file returns, if it is called by its name."""
    if not isinstance(call.func, ast.Name):
        return None
    name = call.func.id
    functions = [n for n in source.nodes if isinstance(n, ast.FunctionDef) and n.name == name]
    if len(functions) != 1:
        return None
    returns = [n for n in ast.walk(functions[0]) if isinstance(n, ast.Return) and n.value]
    return returns[0].value if len(returns) == 1 else None
