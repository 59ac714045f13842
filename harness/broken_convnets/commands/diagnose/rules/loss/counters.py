"""Counts of right answers in the user's source: where they grow, start again and are divided."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

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
    growth: ast.AugAssign | ast.Assign | ast.Expr
    comparison: ast.expr  # whose true elements are counted
    loop: Loop | None  # over batches, the innermost around `growth`; None for `sum(.. for ..)`
    batches: str  # what is iterated over: `loader` for `for i, b in enumerate(loader)`
    divisions: list[Division] = field(default_factory=list)  # of the variable


def right_answers(evidence: Evidence) -> Iterator[RightAnswers]:
    """Yield the counts of right answers in the user's files."""
    for source in evidence.user_sources:
        yield from _counts(source)


@lru_cache(maxsize=64)  # several rules ask for the counts of a file
def _counts(source: Source) -> list[RightAnswers]:
    found = [count for node in source.nodes if (count := _count(source, node)) is not None]
    for count in found:
        divisions = (division_of(source, one, count.name) for one in own_nodes(count.scope))
        count.divisions += [one for one in divisions if one is not None]
    return found


def _count(source: Source, node: ast.AST) -> RightAnswers | None:
    """Return the count that a statement adds to; None for other nodes."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        return _count_in_a_loop(source, node)
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return _count_in_a_sum(source, node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _count_in_a_list(source, node, node.value)
    return None


def _count_in_a_loop(source: Source, growth: ast.AugAssign) -> RightAnswers | None:
    loops, scope = source.loops_around(growth), scope_of(source, growth)
    comparison = counted(growth.value, scope, source)
    if not loops or comparison is None:
        return None
    loop = loops[0]
    batches = source.text_of(iterated(loop.iter)) if isinstance(loop, ast.For) else ""
    return RightAnswers(
        source, scope, source.text_of(growth.target), growth, comparison, loop, batches
    )


def _count_in_a_sum(source: Source, statement: ast.Assign) -> RightAnswers | None:
    """Return the count of `right = sum((a == b).sum() for batch in loader)`."""
    call = statement.value
    if not isinstance(call, ast.Call) or not call.args or source.text_of(call.func) != "sum":
        return None
    items = call.args[0]
    if not isinstance(items, ast.GeneratorExp | ast.ListComp):
        return None
    scope = scope_of(source, statement)
    comparison = counted(items.elt, scope, source)
    if comparison is None:
        return None
    batches = source.text_of(iterated(items.generators[0].iter))
    name = source.text_of(statement.targets[0])
    return RightAnswers(source, scope, name, statement, comparison, None, batches)


def _count_in_a_list(source: Source, statement: ast.Expr, call: ast.Call) -> RightAnswers | None:
    """Return the count of `counts.append((a == b).sum())` in a loop, by the name `sum(counts)`."""
    loops, scope = source.loops_around(statement), scope_of(source, statement)
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "append" or not call.args:
        return None
    comparison = counted(call.args[0], scope, source) if loops else None
    if comparison is None:
        return None
    name = f"sum({source.text_of(function.value)})"
    return RightAnswers(source, scope, name, statement, comparison, loops[0], "")


def scope_of(source: Source, node: ast.AST) -> Scope:
    """Return the function around a node, or the module."""
    return source.function_of(node) or source.tree


def division_of(source: Source, node: ast.AST, name: str) -> Division | None:
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


def iterated(found: ast.expr) -> ast.expr:
    """Return what is iterated over, without `enumerate` and progress bars."""
    while isinstance(found, ast.Call) and called_name(found) in WRAPPERS and found.args:
        found = found.args[0]
    return found


def counted(node: ast.expr, scope: ast.AST, source: Source) -> ast.expr | None:
    """Return the comparison that a sum counts, as in `(a == b).sum().item()`; None for others.

    The sum may have a name, or be what a function in the same file returns.
    """
    node = unwrapped(node)
    if isinstance(node, ast.Name):
        node = unwrapped(assigned_value(node, scope) or node)
    if not isinstance(node, ast.Call):
        return None
    if called_name(node) != "sum":
        function = _function(source, node)
        return _counted_by(function, source) if function and function is not scope else None
    inner = _summed(node)
    if isinstance(inner, ast.Name):
        inner = assigned_value(inner, scope)
    return inner if inner is not None and is_comparison(inner) else None


def _summed(call: ast.Call) -> ast.expr | None:
    """Return the tensor whose elements `x.sum()` or `torch.sum(x)` adds; None along a dimension."""
    function = call.func
    method = isinstance(function, ast.Attribute) and not _is_namespace(function.value)
    if (call.args if method else call.args[1:]) or call.keywords:
        return None
    if method and isinstance(function, ast.Attribute):
        return unwrapped(function.value)
    return unwrapped(call.args[0]) if call.args else None


def _function(source: Source, call: ast.Call) -> ast.FunctionDef | None:
    """Return the only function of the called name in the file."""
    name = called_name(call)
    functions = (n for n in source.nodes if isinstance(n, ast.FunctionDef))
    found = [function for function in functions if function.name == name]
    return found[0] if len(found) == 1 else None


def _counted_by(function: ast.FunctionDef, source: Source) -> ast.expr | None:
    results = [n.value for n in own_nodes(function) if isinstance(n, ast.Return) and n.value]
    return counted(results[0], function, source) if len(results) == 1 else None


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
