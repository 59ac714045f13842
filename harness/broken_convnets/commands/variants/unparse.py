"""Write a syntax tree as people do: `ast.unparse` without the brackets that nobody writes."""

from __future__ import annotations

import ast
import pickle

SIMPLE = (ast.Name, ast.Constant)


def unparse(tree: ast.Module) -> str:
    """Return the source text of `tree`, one statement per line; the tree stays as it is."""
    copy: ast.Module = pickle.loads(pickle.dumps(tree))  # noqa: S301  (of our own making)
    return ast.unparse(_Plain().visit(copy))


def _raw(text: str) -> ast.Name:
    """Return a node that is written as this text."""
    return ast.Name(text, ast.Load())


class _Plain(ast.NodeTransformer):
    """Replaces what `ast.unparse` writes with too many brackets, or too few spaces."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        node.value = _bare(node.value)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        node.value = node.value and _bare(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.GeneratorExp):
            node.args = [_raw(ast.unparse(node.args[0])[1:-1])]
        return node

    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        """Put spaces around the colon of a slice between expressions: `a[i : i + 5]`."""
        self.generic_visit(node)
        bounds = [bound for bound in (node.lower, node.upper) if bound]
        if node.step or all(isinstance(bound, (*SIMPLE, ast.UnaryOp)) for bound in bounds):
            return node
        lower, upper = (ast.unparse(bound) if bound else "" for bound in (node.lower, node.upper))
        return _raw(f"{lower} : {upper}".strip())

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Write a power of a name or a number without spaces: `t**2`."""
        self.generic_visit(node)
        simple = isinstance(node.left, SIMPLE) and isinstance(node.right, SIMPLE)
        if simple and isinstance(node.op, ast.Pow):
            return _raw(f"{ast.unparse(node.left)}**{ast.unparse(node.right)}")
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.target = _bracketed(node.target)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.target = _bracketed(node.target)
        return node


def _bracketed(target: ast.expr) -> ast.expr:
    """Return a tuple of one element with brackets, as in `for (batch,) in loader`."""
    if isinstance(target, ast.Tuple) and len(target.elts) == 1:
        return _raw(f"({ast.unparse(target.elts[0])},)")
    return target


def _bare(value: ast.expr) -> ast.expr:
    """Return a tuple of several elements without its brackets; any other value as it is."""
    if isinstance(value, ast.Tuple) and len(value.elts) > 1:
        return _raw(", ".join(map(ast.unparse, value.elts)))
    return value
