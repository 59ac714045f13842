"""Random numbers that a constructor draws and a method changes samples by, by the syntax."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.source import Source

# Functions of Python and NumPy that return one number where they get no size.
PYTHON = frozenset(
    {"random", "uniform", "randint", "randrange", "gauss", "choice", "normalvariate"}
)
NUMPY = frozenset({"rand", "random", "uniform", "randint", "normal", "randn", "random_sample"})
TORCH = frozenset({"rand", "randint", "randn"})
CONVERSIONS = frozenset({"int", "float", "bool", "round"})
# Functions that flip, move, turn, cut or color an image.
CHANGES = frozenset(
    {"flip", "fliplr", "flipud", "hflip", "vflip", "horizontal_flip", "vertical_flip", "roll"}
    | {"rot90", "rotate", "affine", "warpAffine", "getRotationMatrix2D", "perspective", "crop"}
    | {"resized_crop", "gaussian_blur", "adjust_brightness", "adjust_contrast", "adjust_hue"}
    | {"adjust_saturation", "adjust_gamma", "adjust_sharpness", "transpose", "solarize"}
)
FIXED = ("domain", "task", "corrupt", "permut", "style")  # one change is meant for all samples


@dataclass(frozen=True)
class Draw:
    """`self.<attribute> = <value>` in a constructor, and a use of it in another method."""

    source: Source
    constructor: ast.FunctionDef
    statement: ast.Assign
    value: ast.expr
    attribute: str
    method: ast.FunctionDef
    use: ast.expr


def draws_of(source: Source, owner: ast.ClassDef, *, is_dataset: bool) -> Iterator[Draw]:
    """Yield the draws of a class. In a dataset only decisions count: a number may be its data."""
    methods = [one for one in owner.body if isinstance(one, ast.FunctionDef)]
    constructor = next((one for one in methods if one.name == "__init__"), None)
    if constructor is None or any(word in owner.name.lower() for word in FIXED):
        return
    for statement in constructor.body:
        if not isinstance(statement, ast.Assign) or not _is_draw(source, statement.value):
            continue
        target = statement.targets[0]
        if not isinstance(target, ast.Attribute) or not _is_set_once(source, target.attr):
            continue
        for method in methods:
            use = _use(method, target.attr, decisions_only=is_dataset)
            if use is not None and method is not constructor:
                value = statement.value
                yield Draw(source, constructor, statement, value, target.attr, method, use)
                break


def _is_draw(source: Source, value: ast.expr) -> bool:
    """Return whether an expression is one random number, or is computed from one."""
    if isinstance(value, ast.Compare | ast.BinOp):
        parts = (node for node in ast.iter_child_nodes(value) if isinstance(node, ast.expr))
        return any(_is_draw(source, part) for part in parts)
    if not isinstance(value, ast.Call):
        return False
    if called_name(value) in CONVERSIONS:
        return any(_is_draw(source, one) for one in value.args[:1])
    return isinstance(value.func, ast.Attribute) and _draws(source, value, value.func.value)


def _draws(source: Source, call: ast.Call, owner: ast.expr) -> bool:
    """Return whether a call of a function of a module, or of a tensor's `item`, draws a number."""
    name, module = called_name(call), source.text_of(owner)
    if module in {"np.random", "numpy.random"}:
        return name in NUMPY and _has_no_size(call, name)
    if name == "item" and isinstance(owner, ast.Call):
        return called_name(owner) in TORCH and source.text_of(owner.func).startswith("torch.")
    return module == "random" and name in PYTHON


def _has_no_size(call: ast.Call, name: str) -> bool:
    most = 0 if name in {"rand", "randn", "random", "random_sample"} else 2
    return len(call.args) <= most and all(one.arg != "size" for one in call.keywords)


def _is_set_once(source: Source, attribute: str) -> bool:
    stored = [
        node
        for node in source.nodes
        if isinstance(node, ast.Attribute)
        and node.attr == attribute
        and not isinstance(node.ctx, ast.Load)
    ]
    again = source.text.replace("super().__init__(", "").count(".__init__(")
    return len(stored) == 1 and not again and "setattr(" not in source.text


def _use(method: ast.FunctionDef, attribute: str, *, decisions_only: bool) -> ast.expr | None:
    """Return where a method changes a sample if, or by how much, an attribute says."""
    for node in ast.walk(method):
        if isinstance(node, ast.If | ast.IfExp) and _reads(node.test, attribute):
            body = node.body if isinstance(node.body, list) else [node.body]
            if any(_is_change(inner) for part in body for inner in ast.walk(part)):
                return node.test
        is_change = isinstance(node, ast.Call) and _is_change(node) and not decisions_only
        if is_change and isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(_reads(one, attribute) for one in arguments):
                return node
    return None


def _is_change(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and called_name(node) in CHANGES


def _reads(node: ast.AST, attribute: str) -> bool:
    """Return whether an expression has an attribute, and depends on nothing else but constants."""
    parts = list(ast.walk(node))
    alone = all(part.id == "self" for part in parts if isinstance(part, ast.Name))
    simple = alone and not any(isinstance(part, ast.Call) for part in parts)
    return simple and any(isinstance(n, ast.Attribute) and n.attr == attribute for n in parts)
