"""Say the same thing in other idioms: as a function, a method or a layer."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.program_pair import (
    EXPRESSION,
    ProgramPair,
    marks,
    with_marks_of,
)
from broken_convnets.commands.variants.syntax import (
    dotted,
    expression,
    identifiers,
    method,
    modules,
    statements,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Rewrite = Callable[[ast.Call], ast.expr | None]

FUNCTIONAL = ("F", "functional", "nnf", "nn.functional", "torch.nn.functional")
POINTWISE = ("relu", "sigmoid", "tanh", "softmax", "log_softmax")
AS_LAYERS: dict[str, list[list[str]]] = {  # with what arguments a function does what its layer does
    "relu": [[]],
    "flatten": [["1"], ["start_dim=1"]],
    "softmax": [["1"], ["dim=1"]],
}
REDUCTIONS = ("mean", "sum", "argmax", "amax", "squeeze", "unsqueeze", "transpose", "permute")


def functional_name(pair: ProgramPair) -> str:
    """Return how every side of a program can name torch.nn.functional; adds an import if none."""
    uses = [{dotted(node) for node in ast.walk(side)} for side in pair.sides]
    for name in FUNCTIONAL:
        if all(name in used for used in uses):
            return name
    used_names = [identifiers(ast.walk(side)) for side in pair.sides]
    if all("nn" in names for names in used_names) and not any("F" in names for names in used_names):
        return "nn.functional"
    return "torch.nn.functional"


def layer_name(pair: ProgramPair) -> str:
    """Return how the program names torch.nn."""
    names = {dotted(node) for node in ast.walk(pair.sides[0])}
    return "nn" if "nn.Module" in names else "torch.nn"


class Calls(ast.NodeTransformer):
    """Rewrites calls, the innermost first, but never the one that raises."""

    def __init__(self, rewrite: Rewrite) -> None:
        """Rewrite with `rewrite`, which returns None for a call that it leaves."""
        self._rewrite = rewrite
        self.done = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite one call."""
        self.generic_visit(node)
        new = None if EXPRESSION in marks(node) else self._rewrite(node)
        if new is None:
            return node
        self.done += 1
        return with_marks_of(new, node)


def rewritten(pair: ProgramPair, rewrite: Rewrite) -> bool:
    """Rewrite the calls of every side; return whether there were any."""
    transformer = Calls(rewrite)
    pair.replace(transformer)
    return transformer.done > 0


def call(function: ast.expr | str, arguments: list[ast.expr], words: list[ast.keyword]) -> ast.Call:
    """Return a call of a function, which may be given as text."""
    called = expression(function) if isinstance(function, str) else function
    return ast.Call(called, arguments, words)


def attribute_of(value: ast.expr, name: str) -> ast.Attribute:
    """Return `value.name`."""
    return ast.Attribute(value, name, ast.Load())


def is_of_torch(node: ast.Call, function: str) -> bool:
    """Return whether a call is of torch's function, in whatever way it is named."""
    name = dotted(node.func)
    spelt = {f"torch.{function}", *(f"{base}.{function}" for base in FUNCTIONAL)}
    return name in spelt and bool(node.args) and not isinstance(node.args[0], ast.Starred)


def activations(pair: ProgramPair, rng: Random) -> bool:
    """Write activations and softmax as functions of torch, as methods, or functionally."""
    style = {name: rng.choice(("torch", "method", "functional")) for name in POINTWISE} | {
        "sigmoid": rng.choice(("torch", "method")),
        "tanh": rng.choice(("torch", "method")),
    }
    base = functional_name(pair)

    def rewrite(node: ast.Call) -> ast.expr | None:
        for name, spelling in style.items():
            if not is_of_torch(node, name):
                continue
            if spelling == "method" and not _is_bare_operator(node.args[0]):
                return call(attribute_of(node.args[0], name), node.args[1:], node.keywords)
            where = base if spelling == "functional" else "torch"
            if dotted(node.func) != f"{where}.{name}" and spelling != "method":
                return call(f"{where}.{name}", node.args, node.keywords)
        return None

    return rewritten(pair, rewrite)


def _is_bare_operator(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare | ast.Lambda)


def flattening(pair: ProgramPair, rng: Random) -> bool:
    """Write flatten as a function or a method, its dimension by name or by place."""
    as_method, by_name = rng.random() < 0.5, rng.random() < 0.5  # noqa: PLR2004  (a coin)

    def rewrite(node: ast.Call) -> ast.expr | None:
        if is_of_torch(node, "flatten"):
            value, rest = node.args[0], node.args[1:]
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "flatten" and node.args:
            value, rest = node.func.value, node.args
        else:
            return None
        if len(rest) != 1 or node.keywords:
            return None
        words = [ast.keyword("start_dim", rest[0])] if by_name else []
        where = [] if by_name else rest
        if as_method:
            return call(attribute_of(value, "flatten"), where, words)
        return call("torch.flatten", [value, *where], words)

    return rewritten(pair, rewrite)


def reductions(pair: ProgramPair, rng: Random) -> bool:
    """Turn methods of tensors such as `x.mean(...)` into functions of torch."""
    chosen = {name for name in REDUCTIONS if rng.random() < 0.6}  # noqa: PLR2004  (most)

    def rewrite(node: ast.Call) -> ast.expr | None:
        function = node.func
        if not isinstance(function, ast.Attribute) or function.attr not in chosen:
            return None
        # Of numpy's arrays it would be wrong; a tensor's dimension is called `dim`, or by place.
        words = {word.arg for word in node.keywords}
        root = dotted(function.value).partition(".")[0]
        certain = "dim" in words or (function.attr in {"squeeze", "unsqueeze"} and node.args)
        if not certain or root in {"torch", "np", "numpy", "F"}:
            return None
        return call(f"torch.{function.attr}", [function.value, *node.args], node.keywords)

    return rewritten(pair, rewrite)


def layers_for_functions(pair: ProgramPair, rng: Random) -> bool:
    """Make `torch.relu`, `torch.flatten(x, 1)` or softmax in forward a layer of its own."""
    nn = layer_name(pair)
    wanted = {
        "relu": (f"{nn}.ReLU()", ("act", "activation", "relu")),
        "flatten": (f"{nn}.Flatten()", ("flatten", "flat", "to_vector")),
        "softmax": (f"{nn}.Softmax(dim=1)", ("softmax", "to_shares", "soft")),
    }
    if rng.random() < 0.5:  # noqa: PLR2004  (a coin)
        wanted.pop(rng.choice(sorted(wanted)))
    if walks_over_layers(pair):
        return False
    used = identifiers(node for side in pair.sides for node in ast.walk(side))
    done = False
    for name, (layer, words) in wanted.items():
        free = [word for word in words if word not in used]
        if free and _is_asked_alike(pair, name):
            done |= _as_layer(pair, name, layer, rng.choice(free))
    return done


def walks_over_layers(pair: ProgramPair) -> bool:
    """Return whether a program does something with all layers, so that one more would matter."""
    told = {"children", "modules", "named_children", "named_modules", "symbolic_trace"}
    return any(isinstance(node, ast.Attribute) and node.attr in told for node in pair.nodes())


def _as_layer(pair: ProgramPair, function: str, layer: str, attribute: str) -> bool:
    """Call a new layer wherever a forward calls a function; every side gets the layer."""

    def rewrite(node: ast.Call) -> ast.expr | None:
        if not is_of_torch(node, function):
            return None
        return call(f"self.{attribute}", [copy.deepcopy(node.args[0])], [])

    done = False
    for name in sorted({owner.name for owner in modules(pair.sides[0])}):
        owners = [owner for side in pair.sides for owner in modules(side) if owner.name == name]
        # A layer that one of the sides never calls would be a mistake of another kind.
        if len(owners) == len(pair.sides) and all(_asks(owner, function) for owner in owners):
            _give_layer(owners, Calls(rewrite), statements(f"self.{attribute} = {layer}"))
            done = True
    for side in pair.sides:
        ast.fix_missing_locations(side)
    return done


def _asks(owner: ast.ClassDef, function: str) -> bool:
    return any(
        is_of_torch(node, function) and EXPRESSION not in marks(node)
        for node in ast.walk(method(owner, "forward") or ast.Pass())
        if isinstance(node, ast.Call)
    )


def _give_layer(owners: list[ast.ClassDef], calls: Calls, made: list[ast.stmt]) -> None:
    """Rewrite the calls in each forward, and make the layer in each __init__."""
    for owner in owners:
        calls.visit(method(owner, "forward") or owner)
        init = method(owner, "__init__")
        if init is not None:
            init.body += copy.deepcopy(made)


def _is_asked_alike(pair: ProgramPair, function: str) -> bool:
    """Return whether every call of a function asks for what its layer does."""
    return all(
        _arguments(node) in AS_LAYERS[function]
        for node in pair.nodes()
        if isinstance(node, ast.Call) and is_of_torch(node, function)
    )


def _arguments(node: ast.Call) -> list[str]:
    given = [ast.unparse(value) for value in node.args[1:]]
    return given + [f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords]
