"""Give a loader a dataset of its own, with a transform that the program has and is not random."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source

SEVERAL = frozenset({"Compose", "Sequential"})
BY_CHANCE = re.compile(r"Rand|Jitter|AugMix|AutoAugment|TrivialAugment|rand|choice|shuffle")
STEPS = 4  # of assignments that are followed


def with_plain_transform(site: Site, kind: str, *, without: bool = False) -> Patch:
    """Let a DataLoader read a dataset of class `kind` that is constructed with another transform.

    Or `without` one. Raises EditError if the program constructs it elsewhere, or has not exactly
    one transform without random changes.
    """
    source, read = site.source, argument(site.call, "dataset", 0)
    function = source.function_of(site.call)
    scopes = [*([function.body] if function else []), source.tree.body]
    part, built = _construction(scopes, read, kind)
    parts = [*built.args, *(keyword.value for keyword in built.keywords)]
    chosen = [p for p in parts if isinstance(p, ast.Name) and _is_random(source, scopes, p.id)]
    plain = {
        name
        for name in _assigned(scopes)
        if _is_sequence(scopes, name) and not _is_random(source, scopes, name)
    }
    if read is None or len(chosen) != 1 or (len(plain) != 1 and not without):
        message = "the program has not one random and one plain transform"
        raise EditError(message)
    own = _constructed(source, built, chosen[0], "" if without else plain.pop())
    if part:
        own = f"torch.utils.data.Subset({own}, {part}.indices)"
        if not _imports_torch(source):
            message = "the program does not import torch"
            raise EditError(message)
    return edits.replace(source, [(read, own)])


def _imports_torch(source: Source) -> bool:
    imports = (n for n in source.nodes if isinstance(n, ast.Import))
    return any(alias.name == "torch" and not alias.asname for n in imports for alias in n.names)


def _construction(
    scopes: Sequence[Sequence[ast.stmt]], read: ast.expr | None, kind: str
) -> tuple[str, ast.Call]:
    """Return the variable with the part of a split, if there is one, and the constructor's call."""
    part = ""
    for _ in range(STEPS):
        if isinstance(read, ast.Call) and called_name(read) == kind:
            return part, read
        if isinstance(read, ast.Call) and called_name(read) == "random_split" and read.args:
            read = read.args[0]
        found = _values(scopes, read.id) if isinstance(read, ast.Name) else []
        if len(found) != 1 or not isinstance(read, ast.Name):
            break
        value, item = found[0]
        if item is not None:
            part = read.id
        read = value
    message = f"the call of {kind} was not found"
    raise EditError(message)


def _values(scopes: Sequence[Sequence[ast.stmt]], name: str) -> list[tuple[ast.expr, int | None]]:
    """Return what is assigned to a name in the innermost scope that assigns to it."""
    for body in scopes:
        found = [(one.value, one.item) for one in bindings(body, name)]
        if found:
            return found
    return []


def _assigned(scopes: Sequence[Sequence[ast.stmt]]) -> set[str]:
    names = (n for body in scopes for one in body for n in ast.walk(one))
    return {n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _is_sequence(scopes: Sequence[Sequence[ast.stmt]], name: str) -> bool:
    found = _values(scopes, name)
    value = found[0][0] if len(found) == 1 else None
    return isinstance(value, ast.Call) and called_name(value) in SEVERAL


def _is_random(source: Source, scopes: Sequence[Sequence[ast.stmt]], name: str) -> bool:
    """Return whether a transform draws random numbers, by its own text and what it refers to."""
    values = [value for value, _ in _values(scopes, name)]
    built = [v for v in values if isinstance(v, ast.Call) and called_name(v)[:1].isupper()]
    names = {n.id for value in built for n in ast.walk(value) if isinstance(n, ast.Name)}
    names |= set() if values else {name}
    texts = [source.text_of(value) for value in built]
    definitions = (n for n in source.tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef))
    texts += [source.text_of(one) for one in definitions if one.name in names]
    return any(BY_CHANCE.search(text) for text in texts)


def _constructed(source: Source, built: ast.Call, chosen: ast.expr, plain: str) -> str:
    """Return the text of a constructor's call with another transform, or without one."""
    named = [("", one) for one in built.args]
    named += [(f"{k.arg}=" if k.arg else "**", k.value) for k in built.keywords]
    arguments = [
        name + (plain if value is chosen else source.text_of(value))
        for name, value in named
        if plain or value is not chosen
    ]
    return f"{source.text_of(built.func)}({', '.join(arguments)})"
