"""Assign a nested value to a variable first."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.program_pair import with_marks_of
from broken_convnets.commands.variants.syntax import dotted, method, modules

if TYPE_CHECKING:
    from random import Random

    from broken_convnets.commands.variants.program_pair import ProgramPair


def named_steps(pair: ProgramPair, rng: Random) -> bool:
    """Assign the argument of `return self.fc(...)` to the input's variable first."""
    targets = [
        (owner.name, ast.unparse(_last(owner)))
        for owner in modules(pair.sides[0])
        if _splits(_last(owner))
    ]
    if not targets:
        return False
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
            _split(forward)
    for side in pair.sides:
        ast.fix_missing_locations(side)
    return True


def _last(owner: ast.ClassDef) -> ast.stmt:
    forward = method(owner, "forward")
    has_input = forward is not None and len(forward.args.args) > 1
    return forward.body[-1] if forward and has_input else ast.Pass()


def _splits(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Return) else None
    return (
        isinstance(value, ast.Call)
        and dotted(value.func).startswith("self.")
        and len(value.args) == 1
        and isinstance(value.args[0], ast.Call)
        and not value.keywords
    )


def _split(forward: ast.FunctionDef) -> None:
    last, name = forward.body[-1], forward.args.args[1].arg
    if isinstance(last, ast.Return) and isinstance(last.value, ast.Call):
        step = ast.Assign([ast.Name(name, ast.Store())], last.value.args[0])
        last.value.args = [ast.Name(name, ast.Load())]
        forward.body.insert(-1, with_marks_of(step, last))
