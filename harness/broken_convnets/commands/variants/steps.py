"""Assign a nested value to a variable first, and reorder the parts of a program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.program_pair import INTERFACE, ProgramPair, with_marks_of
from broken_convnets.commands.variants.syntax import dotted, identifiers, method, modules

if TYPE_CHECKING:
    from random import Random


def named_steps(pair: ProgramPair, rng: Random) -> bool:
    """Assign the argument of `return self.fc(...)` to a variable first."""
    used = identifiers(pair.nodes())
    free = [name for name in ("flat", "vector", "hidden", "pooled", "last") if name not in used]
    targets = [
        (owner.name, ast.unparse(_last(owner)))
        for owner in modules(pair.sides[0])
        if _splits(_last(owner))
    ]
    if not free or not targets:
        return False
    name = rng.choice(free)
    wanted = rng.choice(targets)
    places = [
        method(owner, "forward")
        for side in pair.sides
        for owner in modules(side)
        if owner.name == wanted[0] and ast.unparse(_last(owner)) == wanted[1]
    ]
    if len(places) != len(pair.sides):
        return False
    for forward in places:
        if forward is not None:
            _split(forward, name)
    for side in pair.sides:
        ast.fix_missing_locations(side)
    return True


def _last(owner: ast.ClassDef) -> ast.stmt:
    forward = method(owner, "forward")
    return forward.body[-1] if forward else ast.Pass()


def _splits(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Return) else None
    return (
        isinstance(value, ast.Call)
        and dotted(value.func).startswith("self.")
        and len(value.args) == 1
        and isinstance(value.args[0], ast.Call)
        and not value.keywords
    )


def _split(forward: ast.FunctionDef, name: str) -> None:
    last = forward.body[-1]
    if isinstance(last, ast.Return) and isinstance(last.value, ast.Call):
        step = ast.Assign([ast.Name(name, ast.Store())], last.value.args[0])
        last.value.args = [ast.Name(name, ast.Load())]
        forward.body.insert(-1, with_marks_of(step, last))


def reorder(pair: ProgramPair, rng: Random) -> bool:
    """Move the functions that create data before the classes."""
    movable = [
        name
        for name in sorted(INTERFACE)
        if name.startswith("example_")
        and all(any(_named(node, name) for node in side.body) for side in pair.sides)
    ]
    texts = [
        [ast.unparse(node) for node in side.body if _one_of(node, movable)] for side in pair.sides
    ]
    same = [text for text in texts[0] if all(text in others for others in texts)]
    if not same or rng.random() < 0.2:  # noqa: PLR2004  (sometimes unchanged)
        return False
    for side in pair.sides:
        moved = [node for node in side.body if ast.unparse(node) in same]
        rest = [node for node in side.body if node not in moved]
        first = next(i for i, node in enumerate(rest) if isinstance(node, ast.ClassDef))
        side.body = [*rest[:first], *moved, *rest[first:]]
    return True


def _named(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _one_of(node: ast.stmt, names: list[str]) -> bool:
    return any(_named(node, name) for name in names)
