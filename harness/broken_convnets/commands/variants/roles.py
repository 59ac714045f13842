"""What a variable or an attribute is, as far as a program shows it: a loss, an optimizer, a layer.

A new name must match what a thing is, whatever its old name says. What has no role keeps its name.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import words
from broken_convnets.commands.variants.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.variants.program_pair import ProgramPair

    Role = tuple[str, str]  # a name, and what it is

ARGUMENTS = {  # of the functions that the harness or torch calls, in their order
    "forward": ("self", "features"),
    "__getitem__": ("self", "index"),
    "run": ("network", "images", "targets"),
    "score": ("outputs", "targets"),
    "save": ("network",),
    "load": ("network",),
}
LOSSES = ("cross_entropy", "cross_entropy_with_logits", "_loss", "Loss")
DATASETS = ("Dataset", "TensorDataset")


def variable_roles(pair: ProgramPair) -> dict[str, str]:
    """Return the role of each variable that has exactly one."""
    networks = {"Net"}
    found = _collected(role for side in pair.sides for role in _in_side(side, networks))
    networks |= {name for name, role in found.items() if role == "network"}
    return _collected(role for side in pair.sides for role in _in_side(side, networks))


def layer_roles(pair: ProgramPair) -> dict[str, str]:
    """Return the class of layer of each attribute that holds one, as `words.LAYERS` calls it."""
    return _collected(
        (part.attr, _layer(node.value))
        for node in pair.nodes()
        if isinstance(node, ast.Assign)
        for target in node.targets
        for part in _parts(target)
        if isinstance(part, ast.Attribute) and dotted(part.value) == "self"
    )


def _layer(value: ast.expr) -> str:
    base, _, name = dotted(value.func).rpartition(".") if isinstance(value, ast.Call) else [""] * 3
    known = base in {"nn", "torch.nn"}
    return next((role for role in words.LAYERS if known and role in name), "")


def _collected(roles: Iterable[Role]) -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, role in roles:
        if role:
            found[name].add(role)
    return {name: next(iter(many)) for name, many in found.items() if len(many) == 1}


def _in_side(side: ast.Module, networks: set[str]) -> Iterator[Role]:
    bases = {
        node.name: dotted(node.bases[0]).rpartition(".")[2]
        for node in side.body
        if isinstance(node, ast.ClassDef) and node.bases
    }
    datasets = {*DATASETS, *(name for name, base in bases.items() if base == "Dataset")}
    for node in ast.walk(side):
        if isinstance(node, ast.FunctionDef):
            names = (argument.arg for argument in node.args.args)
            yield from zip(names, ARGUMENTS.get(node.name, ()), strict=False)
        elif isinstance(node, ast.For):
            yield from _of_loop(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            role = _of_call(node.value, networks, datasets)
            yield from ((part.id, role) for part in node.targets if isinstance(part, ast.Name))


def _of_loop(node: ast.For) -> Iterator[Role]:
    called = dotted(node.iter.func) if isinstance(node.iter, ast.Call) else ""
    if called == "range" and isinstance(node.target, ast.Name):
        yield node.target.id, "iteration"
    elif called.rpartition(".")[2] == "DataLoader":
        names = (part.id for part in _parts(node.target) if isinstance(part, ast.Name))
        yield from zip(names, ("images", "targets"), strict=False)


def _of_call(call: ast.Call, networks: set[str], datasets: set[str]) -> str:
    """Return the role of what a call returns; empty for most."""
    called = dotted(call.func.func if isinstance(call.func, ast.Call) else call.func)
    base, _, name = called.rpartition(".")
    if base in {"torch.optim", "optim"}:
        return "optimizer"
    if name == "DataLoader":
        return "loader"
    if name.endswith(LOSSES) and (isinstance(call.func, ast.Call) or name.islower()):
        return "loss"
    if called in networks:
        return "network" if called == "Net" else "outputs"
    return "dataset" if name in datasets else ""


def _parts(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, ast.Tuple) else [target]
