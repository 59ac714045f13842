"""Remove what a program of the corpus does not have: annotations, docstrings, TorchScript, logs."""

from __future__ import annotations

import ast

from broken_convnets.commands.variants.syntax import dotted

DATA_CLASSES = ("dataclass", "NamedTuple")
SCRIPTING = {"torch.jit.is_scripting", "torch.jit.is_tracing", "torch.jit.is_scripting()"}
DROPPED_CALLS = {"_log_api_usage_once", "torch._assert", "warnings.warn"}
DROPPED_METHODS = {"__repr__", "extra_repr", "_load_from_state_dict"}
RENAMED = {"input": "inputs"}  # built-in functions that no program of the corpus may use
PUBLIC = {"_get_expanded_params": "expanded_params"}  # called from outside of its class
DROPPED_ATTRIBUTES = {"__constants__", "__annotations__", "_version"}

BLOCKS = (ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler)


def simplified(tree: ast.Module) -> ast.Module:
    """Return the same module, changed in place, without what does not change a forward pass."""
    module = _Simplifier().visit(tree)
    assert isinstance(module, ast.Module)  # noqa: S101  (a transformer keeps the root)
    return ast.fix_missing_locations(module)


class _Simplifier(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Leave `pass` in a block of which nothing is kept, such as a loop that only logs."""
        super().generic_visit(node)
        if isinstance(node, BLOCKS) and not node.body:
            node.body = [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        is_data = any(dotted(mark) in DATA_CLASSES for mark in (*node.decorator_list, *node.bases))
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)] if is_data else []
        node.body = [one for one in node.body if one not in fields]
        self.generic_visit(node)
        node.body = [*fields, *(one for one in node.body if not _is_dropped_member(one))]
        node.body = _without_docstring(node.body)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = PUBLIC.get(node.attr, node.attr)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        marks = [dotted(mark) for mark in node.decorator_list]
        if "torch.jit._overload_method" in marks:
            return None
        node.decorator_list = [
            mark
            for mark, name in zip(node.decorator_list, marks, strict=True)
            if not name.startswith("torch.jit.")
        ]
        node.name = PUBLIC.get(node.name, node.name)
        node.returns = None
        self.generic_visit(node)
        node.body = _without_docstring(node.body)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        node.arg = RENAMED.get(node.arg, node.arg)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        self.generic_visit(node)
        same = len(node.targets) == 1 and ast.unparse(node.targets[0]) == ast.unparse(node.value)
        return None if same else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        self.generic_visit(node)
        return None if _calls(node, DROPPED_CALLS) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        if not node.orelse and _calls(node.body[0], {"warnings.warn"}):
            return None
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant) and isinstance(node.test.value, bool):
            return node.body if node.test.value else node.orelse
        if node.orelse:
            node.body = node.body or [ast.Pass()]
        return node if node.body else None

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        neutral = isinstance(node.op, ast.And)
        values = [
            one
            for one in node.values
            if not (isinstance(one, ast.Constant) and one.value is neutral)
        ]
        if not values:
            return ast.copy_location(ast.Constant(neutral), node)
        node.values = values
        return node if len(values) > 1 else values[0]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.copy_location(ast.Constant(not node.operand.value), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = dotted(node.func)
        if name in SCRIPTING:
            return ast.copy_location(ast.Constant(value=False), node)
        if name == "setattr" and dotted(node.args[0]) == "self":
            method = ast.Attribute(node.args[0], "add_module", ast.Load())
            return ast.copy_location(ast.Call(method, node.args[1:], []), node)
        return node.args[1] if name == "cast" else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = RENAMED.get(node.id, node.id)
        return node


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    kept = [one for one in body if not _is_text(one)]
    return kept or [ast.Pass()]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_dropped_member(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in DROPPED_METHODS
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(dotted(target) in DROPPED_ATTRIBUTES for target in targets)


def _calls(node: ast.stmt, names: set[str]) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and dotted(call.func) in names
