"""Silent mistakes in what a network owns: its layers, parameters and buffers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted, expression, statements
from broken_convnets.commands.wild.faults.edits import Edit, replace
from broken_convnets.commands.wild.faults.find import (
    calls,
    classes,
    constructors,
    forwards,
    keyword,
    last_name,
    layer_call,
)
from broken_convnets.commands.wild.faults.find import statements as inside
from broken_convnets.commands.wild.faults.registry import silent
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site


@silent("module/layers_in_python_list", Law.STATE_ROUND_TRIPS, Law.MOVES_AS_ONE)
def layers_in_python_list(tree: ast.Module) -> Iterator[Site]:
    """Keep layers in a list that the network does not register."""
    for owner in classes(tree):
        for name, call in _created(owner):
            if last_name(call.func) == "ModuleList":
                layers = call.args[0] if call.args else ast.List([], ast.Load())
                yield replace(call, layers)
            elif last_name(call.func) == "Sequential" and _is_star(call):
                yield from _called_in_a_loop(owner, name, call)


def _is_star(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Starred)


def _called_in_a_loop(owner: ast.ClassDef, name: str, call: ast.Call) -> Iterator[Site]:
    layers = call.args[0]
    assert isinstance(layers, ast.Starred)  # noqa: S101  (the caller has tested it)
    for node in inside(owner):
        found = layer_call(node)
        if found and dotted(found[1].func) == f"self.{name}":
            variable, argument = found[0], ast.unparse(found[1].args[0])
            if argument == variable:
                text = f"for layer in self.{name}:\n    {variable} = layer({variable})"
                yield Edit(call, (layers.value,)), Edit(node, tuple(statements(text)))


@silent("device/unregistered_buffer", Law.MOVES_AS_ONE)
def unregistered_buffer(tree: ast.Module) -> Iterator[Site]:
    """Assign a tensor to an attribute, and do not register it."""
    for name, node, value in _buffers(tree):
        target = ast.Attribute(ast.Name("self", ast.Load()), name, ast.Store())
        yield replace(node, ast.Assign([target], value))


@silent("device/tensor_created_on_cpu_in_forward", Law.MOVES_AS_ONE)
def tensor_created_in_forward(tree: ast.Module) -> Iterator[Site]:
    """Create in `forward` what is a buffer."""
    buffers = {name: value for name, _, value in _buffers(tree)}
    for function in forwards(tree):
        for node in ast.walk(function):
            name = dotted(node).removeprefix("self.")
            if isinstance(node, ast.Attribute) and name in buffers:
                yield replace(node, buffers[name])


def _buffers(tree: ast.Module) -> Iterator[tuple[str, ast.stmt, ast.expr]]:
    for function in constructors(tree):
        for node in inside(function):
            call = node.value if isinstance(node, ast.Expr) else None
            if isinstance(call, ast.Call) and dotted(call.func) == "self.register_buffer":
                yield ast.literal_eval(call.args[0]), node, call.args[1]


@silent("module/shared_block_list_multiplication", Law.PARAMETERS_AS_DECLARED)
def shared_block_list_multiplication(tree: ast.Module) -> Iterator[Site]:
    """Repeat one block by multiplying a list: `[block(...)] * n`."""
    for function in constructors(tree):
        for node in inside(function):
            if isinstance(node, ast.For) and len(node.body) == 1:
                repeats, appended = _repeats(node), _appended(node.body[0])
                if repeats and appended:
                    yield replace(node, _multiplied(appended, repeats))


def _appended(node: ast.stmt) -> ast.Call | None:
    """Return the call of a statement `layers.append(create(...))`; None for other statements."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or last_name(call.func) != "append":
        return None
    return call if isinstance(call.args[0], ast.Call) else None


def _repeats(node: ast.For) -> ast.expr | None:
    """Return how often a loop over a range runs; None if its body uses the variable."""
    variable = ast.unparse(node.target)
    used = any(isinstance(one, ast.Name) and one.id == variable for one in ast.walk(node.body[0]))
    if used or not isinstance(node.iter, ast.Call) or last_name(node.iter.func) != "range":
        return None
    *start, stop = node.iter.args[:2]
    return ast.BinOp(stop, ast.Sub(), start[0]) if start else stop


def _multiplied(appended: ast.Call, repeats: ast.expr) -> ast.stmt:
    assert isinstance(appended.func, ast.Attribute)  # noqa: S101  (a call of append)
    blocks = ast.BinOp(ast.List(appended.args, ast.Load()), ast.Mult(), repeats)
    extend = ast.Attribute(appended.func.value, "extend", ast.Load())
    return ast.Expr(ast.Call(extend, [blocks], []))


@silent("module/layer_created_in_forward", Law.DETERMINISTIC_IN_EVAL)
def layer_created_in_forward(tree: ast.Module) -> Iterator[Site]:
    """Create a layer in `forward`, with new weights in every pass."""
    for owner in classes(tree):
        for name, call in _created(owner):
            if not last_name(call.func).startswith(("Conv", "Linear")) or not _is_constant(call):
                continue
            for function in owner.body:
                if isinstance(function, ast.FunctionDef) and "forward" in function.name:
                    for used in calls(function, name):
                        if dotted(used.func) == f"self.{name}":
                            yield replace(used.func, call)


@silent("module/dropout_created_in_forward", Law.DETERMINISTIC_IN_EVAL)
def dropout_created_in_forward(tree: ast.Module) -> Iterator[Site]:
    """Create a dropout layer in `forward`, where it is always in train mode."""
    for function in forwards(tree):
        for call in calls(function, "dropout"):
            rate = keyword(call, "p")
            if rate and len(call.args) == 1:
                created = ast.Call(expression("nn.Dropout"), [], [rate])
                yield replace(call, ast.Call(created, call.args, []))


@silent("module/zero_initialized_weights", Law.EVERY_PARAMETER_LEARNS)
def zero_initialized_weights(tree: ast.Module) -> Iterator[Site]:
    """Initialize weights with zeros."""
    for function in constructors(tree):
        for call in calls(
            function, "kaiming_normal_", "kaiming_uniform_", "trunc_normal_", "normal_"
        ):
            if dotted(call.args[0]).endswith("weight") and isinstance(call.func, ast.Attribute):
                zeros = ast.Attribute(call.func.value, "zeros_", ast.Load())
                yield replace(call, ast.Call(zeros, call.args[:1], []))


def _created(owner: ast.ClassDef) -> Iterator[tuple[str, ast.Call]]:
    """Yield the attributes that a class sets to the result of a call, and the call."""
    for node in inside(owner):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            name = dotted(node.targets[0])
            if name.startswith("self."):
                yield name.removeprefix("self."), node.value


def _is_constant(call: ast.Call) -> bool:
    """Return whether the arguments of a call have the same value in every method."""
    values = [*call.args, *(one.value for one in call.keywords)]
    names = {node.id for value in values for node in ast.walk(value) if isinstance(node, ast.Name)}
    return names <= {"self", "nn"}
