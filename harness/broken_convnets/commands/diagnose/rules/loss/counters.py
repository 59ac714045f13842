"""Counts of right answers in the user's source: where they grow, start again and are divided."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import user_sources
from broken_convnets.commands.diagnose.source import FUNCTIONS, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

    Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module
    Loop = ast.For | ast.While

# Calls around a sum that leave its number as it is.
CONVERSIONS = frozenset(
    {"item", "float", "int", "cpu", "long", "double", "tolist", "detach", "type", "to"}
)
WRAPPERS = frozenset({"enumerate", "tqdm", "track", "list", "iter", "trange"})


@dataclass(frozen=True, eq=False)
class Division:
    """`count / divisor`, `100 * count // divisor` or `count /= divisor`."""

    node: ast.BinOp | ast.AugAssign
    divisor: ast.expr

    @property
    def floor(self) -> bool:
        """Whether it rounds down."""
        return isinstance(self.node.op, ast.FloorDiv)


@dataclass(eq=False)
class RightAnswers:
    """A variable that a loop over batches adds the number of right answers of each batch to."""

    source: Source
    scope: Scope
    name: str
    growth: ast.AugAssign
    comparison: ast.expr  # whose true elements are counted
    loop: Loop  # over batches, the innermost around `growth`
    divisions: list[Division] = field(default_factory=list)  # of the variable

    @property
    def batches(self) -> str:
        """What the loop iterates over: `loader` for `for i, b in enumerate(loader)`."""
        return self.source.text_of(iterated(self.loop)) if isinstance(self.loop, ast.For) else ""


def right_answers(evidence: Evidence) -> Iterator[RightAnswers]:
    """Yield the counts of right answers in the user's files."""
    for source in user_sources(evidence):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
                found = _count(source, node)
                if found is not None:
                    yield found


def _count(source: Source, growth: ast.AugAssign) -> RightAnswers | None:
    loops = source.loops_around(growth)
    scope = source.function_of(growth) or source.tree
    comparison = counted(growth.value, scope)
    if not loops or comparison is None or not isinstance(scope, ast.Module | ast.FunctionDef):
        return None
    found = RightAnswers(source, scope, source.text_of(growth.target), growth, comparison, loops[0])
    divisions = (_division(source, node, found.name) for node in own_nodes(scope))
    found.divisions += [one for one in divisions if one is not None]
    return found


def _division(source: Source, node: ast.AST, name: str) -> Division | None:
    """Return a node as a division of the variable `name`; None if it is not one."""
    if not isinstance(node, ast.BinOp | ast.AugAssign):
        return None
    if not isinstance(node.op, ast.Div | ast.FloorDiv):
        return None
    if isinstance(node, ast.AugAssign):
        return Division(node, node.value) if source.text_of(node.target) == name else None
    left = unwrapped(node.left)
    factors = [left.left, left.right] if isinstance(left, ast.BinOp) else [left]
    if isinstance(left, ast.BinOp) and not isinstance(left.op, ast.Mult):
        return None
    texts = [source.text_of(unwrapped(factor)) for factor in factors]
    return Division(node, node.right) if name in texts else None


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function or module, those of functions inside left out."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, FUNCTIONS):
            yield child
            yield from own_nodes(child)


def iterated(loop: ast.For) -> ast.expr:
    """Return what a loop iterates over, without `enumerate` and progress bars."""
    found = loop.iter
    while isinstance(found, ast.Call) and called_name(found) in WRAPPERS and found.args:
        found = found.args[0]
    return found


def counted(node: ast.expr, scope: ast.AST) -> ast.expr | None:
    """Return the comparison that a sum counts, as in `(a == b).sum().item()`; None for others."""
    node = unwrapped(node)
    if isinstance(node, ast.Name):
        node = unwrapped(assigned_value(node, scope) or node)
    if not isinstance(node, ast.Call) or called_name(node) != "sum":
        return None
    function = node.func
    method = isinstance(function, ast.Attribute) and not _is_namespace(function.value)
    if (node.args if method else node.args[1:]) or node.keywords:
        return None  # along one dimension
    inner = function.value if method and isinstance(function, ast.Attribute) else None
    inner = inner or (node.args[0] if node.args else None)
    inner = unwrapped(inner) if inner is not None else None
    if isinstance(inner, ast.Name):
        inner = assigned_value(inner, scope)
    return inner if inner is not None and is_comparison(inner) else None


def is_comparison(node: ast.expr) -> bool:
    """Return whether an expression is `a == b`, `a.eq(b)` or `torch.eq(a, b)`."""
    if isinstance(node, ast.Compare):
        return len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)
    return isinstance(node, ast.Call) and called_name(node) == "eq"


def assigned_value(name: ast.Name, scope: ast.AST) -> ast.expr | None:
    """Return the one expression that a name is assigned in a scope; None if there are several."""
    found = [
        node.value
        for node in own_nodes(scope)
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == name.id for t in node.targets)
    ]
    return found[0] if len(found) == 1 else None


def unwrapped(node: ast.expr) -> ast.expr:
    """Return an expression without the conversions around it: `x` for `float(x.item())`."""
    while isinstance(node, ast.Call) and called_name(node) in CONVERSIONS:
        if isinstance(node.func, ast.Attribute):
            node = node.func.value
        elif node.args:
            node = node.args[0]
        else:
            break
    return node


def _is_namespace(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"torch", "np", "numpy"}
