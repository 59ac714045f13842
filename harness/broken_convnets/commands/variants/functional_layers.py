"""Replace functions of torch by layers."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.calls import Calls, call, is_of_torch, layer_name
from broken_convnets.commands.variants.program_pair import EXPRESSION, ProgramPair, marks
from broken_convnets.commands.variants.syntax import identifiers, method, modules, statements

if TYPE_CHECKING:
    from random import Random

AS_LAYERS: dict[
    str, list[list[str]]
] = {  # the arguments for which a function is equivalent to its layer
    "relu": [[]],
    "flatten": [["1"], ["start_dim=1"]],
    "softmax": [["1"], ["dim=1"]],
}


def layers_for_functions(pair: ProgramPair, rng: Random) -> bool:
    """Replace `torch.relu`, `torch.flatten(x, 1)` or softmax in forward by a layer."""
    nn = layer_name(pair)
    wanted = {
        "relu": (f"{nn}.ReLU()", ("relu", "act", "activation")),
        "flatten": (f"{nn}.Flatten()", ("flatten", "flatten_layer")),
        "softmax": (f"{nn}.Softmax(dim=1)", ("softmax", "softmax_layer")),
    }
    if rng.random() < 0.5:  # noqa: PLR2004  (half of the time)
        wanted.pop(rng.choice(sorted(wanted)))
    if iterates_over_layers(pair):
        return False
    used = identifiers(node for side in pair.sides for node in ast.walk(side))
    done = False
    for name, (layer, words) in wanted.items():
        free = [word for word in words if word not in used]
        if free and _matches_layer(pair, name):
            done |= _as_layer(pair, name, layer, rng.choice(free))
    return done


def iterates_over_layers(pair: ProgramPair) -> bool:
    """Return whether a program iterates over all layers, so that another layer would matter."""
    iterators = {"children", "modules", "named_children", "named_modules", "symbolic_trace"}
    return any(isinstance(node, ast.Attribute) and node.attr in iterators for node in pair.nodes())


def _as_layer(pair: ProgramPair, function: str, layer: str, attribute: str) -> bool:
    """Replace a function in every forward by a new layer, on every side."""

    def rewrite(node: ast.Call) -> ast.expr | None:
        if not is_of_torch(node, function):
            return None
        return call(f"self.{attribute}", [copy.deepcopy(node.args[0])], [])

    done = False
    for name in sorted({owner.name for owner in modules(pair.sides[0])}):
        owners = [owner for side in pair.sides for owner in modules(side) if owner.name == name]
        # A layer that one side never calls would be another mistake.
        if len(owners) == len(pair.sides) and all(_calls(owner, function) for owner in owners):
            _add_layer(owners, Calls(rewrite), statements(f"self.{attribute} = {layer}"))
            done = True
    for side in pair.sides:
        ast.fix_missing_locations(side)
    return done


def _calls(owner: ast.ClassDef, function: str) -> bool:
    return any(
        is_of_torch(node, function) and EXPRESSION not in marks(node)
        for node in ast.walk(method(owner, "forward") or ast.Pass())
        if isinstance(node, ast.Call)
    )


def _add_layer(owners: list[ast.ClassDef], calls: Calls, creation: list[ast.stmt]) -> None:
    """Rewrite the calls in each forward, and create the layer in each __init__."""
    for owner in owners:
        calls.visit(method(owner, "forward") or owner)
        init = method(owner, "__init__")
        if init is not None:
            init.body += copy.deepcopy(creation)


def _matches_layer(pair: ProgramPair, function: str) -> bool:
    """Return whether every call of a function has the arguments that its layer implies."""
    return all(
        _arguments(node) in AS_LAYERS[function]
        for node in pair.nodes()
        if isinstance(node, ast.Call) and is_of_torch(node, function)
    )


def _arguments(node: ast.Call) -> list[str]:
    given = [ast.unparse(value) for value in node.args[1:]]
    return given + [f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords]
