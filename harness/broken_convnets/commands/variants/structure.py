"""Create the same layers in another way: in a Sequential, in a submodule."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.calls import layer_name
from broken_convnets.commands.variants.functional_layers import iterates_over_layers
from broken_convnets.commands.variants.program_pair import ProgramPair, marks, with_marks_of
from broken_convnets.commands.variants.syntax import (
    dotted,
    expression,
    identifiers,
    modules,
    statements,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

SUBMODULES = {"Conv2d": ("ConvBlock", "conv"), "Linear": ("LinearHead", "linear")}
ARITHMETIC = (ast.Constant, ast.BinOp, ast.operator, ast.Load, ast.UnaryOp, ast.unaryop)


def into_sequential(pair: ProgramPair, rng: Random) -> bool:
    """Combine a convolution and the ReLU around each of its calls in one Sequential."""
    found = [name for name in _layers(pair) if _calls(pair, name, under_relu=True)]
    if not found:
        return False
    name, nn = rng.choice(found), layer_name(pair)
    for node in _assignments(pair, name):
        old = ast.unparse(node.value)
        node.value = expression(f"{nn}.Sequential({old}, {nn}.ReLU())")
    pair.replace(_Unwrapped(name))
    return True


def into_submodule(pair: ProgramPair, rng: Random) -> bool:
    """Move one layer into a new submodule that only calls this layer."""
    found = [name for name in _layers(pair) if _calls(pair, name, under_relu=False)]
    if not found:
        return False
    name, nn = rng.choice(found), layer_name(pair)
    created = _assignments(pair, name)[0].value
    kind = dotted(created.func).rpartition(".")[2] if isinstance(created, ast.Call) else ""
    owner, inner = SUBMODULES.get(kind, ("", ""))
    if not owner or owner in identifiers(pair.nodes()):
        return False
    text = (
        f"class {owner}({nn}.Module):\n"
        f"    def __init__(self):\n"
        f"        super().__init__()\n"
        f"        self.{inner} = {ast.unparse(created)}\n"
        f"    def forward(self, x):\n"
        f"        return self.{inner}(x)\n"
    )
    for node in _assignments(pair, name):
        node.value = expression(f"{owner}()")
    _before_first_class(pair, text)
    return True


def _before_first_class(pair: ProgramPair, text: str) -> None:
    for side in pair.sides:
        position = next(
            number for number, node in enumerate(side.body) if isinstance(node, ast.ClassDef)
        )
        side.body[position:position] = statements(text)
        ast.fix_missing_locations(side)


def _layers(pair: ProgramPair) -> list[str]:
    """Return the convolutions and Linear layers that every side creates once, in the same way."""
    names: list[str] = []
    for owner in () if iterates_over_layers(pair) else modules(pair.sides[0]):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                names += [_assigned_layer(inner) for inner in node.body]
    found = []
    for name in filter(None, names):
        texts = [[ast.unparse(node) for node in _assignments_in(side, name)] for side in pair.sides]
        if all(len(lines) == 1 and lines == texts[0] for lines in texts):
            found.append(name)
    return sorted(set(found) - pair.message_words)  # the message names these


def _assigned_layer(node: ast.stmt) -> str:
    """Return the attribute to which a statement assigns a layer with constant arguments."""
    if not isinstance(node, ast.Assign) or marks(node) or len(node.targets) != 1:
        return ""
    target, value = node.targets[0], node.value
    if not isinstance(target, ast.Attribute) or dotted(target.value) != "self":
        return ""
    if not isinstance(value, ast.Call) or any(marks(inner) for inner in ast.walk(value)):
        return ""
    kind = dotted(value.func).rpartition(".")[2]
    given = [*value.args, *(word.value for word in value.keywords)]
    plain = all(isinstance(inner, ARITHMETIC) for each in given for inner in ast.walk(each))
    return target.attr if plain and (kind.startswith("Conv") or kind == "Linear") else ""


def _assignments(pair: ProgramPair, name: str) -> list[ast.Assign]:
    return [node for side in pair.sides for node in _assignments_in(side, name)]


def _assignments_in(side: ast.Module, name: str) -> list[ast.Assign]:
    return [
        node
        for node in ast.walk(side)
        if isinstance(node, ast.Assign)
        and any(
            isinstance(target, ast.Attribute) and target.attr == name for target in node.targets
        )
    ]


def _calls(pair: ProgramPair, name: str, *, under_relu: bool) -> bool:
    """Return whether every use of a layer is a call with one argument (`under_relu`: in a ReLU)."""
    return all(
        _all_calls(side, name, under_relu=under_relu)
        and not any(
            isinstance(node, ast.Constant) and name in str(node.value) and node.col_offset > 0
            for node in ast.walk(side)
        )
        for side in pair.sides
    )


def _all_calls(side: ast.Module, name: str, *, under_relu: bool) -> bool:
    uses = [
        node
        for node in ast.walk(side)
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load)
    ]
    calls = [
        node
        for node in ast.walk(side)
        if isinstance(node, ast.Call)
        and node.func in uses
        and dotted(node.func) == f"self.{name}"
        and len(node.args) == 1
        and not node.keywords
    ]
    if under_relu:
        inside = [node.args[0] for node in _relus(side)]
        calls = [call for call in calls if call in inside]
    return bool(uses) and len(calls) == len(uses)


def _relus(side: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(side):
        if isinstance(node, ast.Call) and _is_relu(node):
            yield node


def _is_relu(node: ast.Call) -> bool:
    return (
        dotted(node.func).endswith(".relu")
        and len(node.args) == 1
        and not node.keywords
        and dotted(node.func).partition(".")[0] in {"torch", "F", "nn", "functional"}
    )


class _Unwrapped(ast.NodeTransformer):
    """Removes the ReLU around the calls of a layer that now contains one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_relu(node):
            inner = node.args[0]
            if isinstance(inner, ast.Call) and dotted(inner.func) == f"self.{self._name}":
                return with_marks_of(inner, node)
        return node
