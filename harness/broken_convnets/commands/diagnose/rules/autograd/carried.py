"""Values that a loop or an object carries from step to step with their graphs."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import attribute_assignments, bindings
from broken_convnets.commands.diagnose.analysis.callables import class_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


@dataclass(frozen=True)
class Carried:
    """A name or attribute that holds a graph when the next step begins, and how to detach it."""

    source: Source
    text: str
    line: int
    attempts: tuple[Attempt, ...]


def has_graph(value: object) -> bool:
    """Return whether a tensor, or each one in a tuple or list, was computed with a graph."""
    if isinstance(value, tuple | list):
        return bool(value) and all(map(has_graph, value))
    return isinstance(value, torch.Tensor) and value.grad_fn is not None


def carried_names(evidence: Evidence) -> Iterator[Carried]:
    """Yield the variables of a loop that are read before they are assigned in it."""
    for frame in evidence.frames:
        statement = frame.statement
        for loop in frame.source.loops_around(statement) if statement else []:
            for name, value in frame.scope.local.items():
                if has_graph(value):
                    read = _read_before_assigned(loop, name)
                    if read is not None:
                        yield _carried(frame, name, value, read)


def _read_before_assigned(loop: ast.For | ast.While, name: str) -> ast.Name | None:
    """Return the first use of a name in a loop that also assigns it, in the use's line or later."""
    assigned = [bound.statement.lineno for bound in bindings(loop.body, name)]
    reads = [
        node
        for statement in loop.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    first = min(reads, key=lambda node: (node.lineno, node.col_offset), default=None)
    return first if first and assigned and first.lineno <= min(assigned) else None


def _carried(frame: UserFrame, name: str, value: object, read: ast.Name) -> Carried:
    source, statement = frame.source, frame.statement
    attempts: list[Attempt] = []
    single = isinstance(value, torch.Tensor)
    if single and not _starts_as_none(frame, name):
        attempts.append((0, partial(edits.replace, source, [(read, f"{name}.detach()")])))
    after = f"{name} = {name}.detach()" if single else f"{name} = tuple(t.detach() for t in {name})"
    if statement is not None:
        attempts.append((1, partial(edits.insert_after, source, statement, after)))
    return Carried(source, name, read.lineno, tuple(attempts))


def _starts_as_none(frame: UserFrame, name: str) -> bool:
    function = frame.function
    values = [
        b.value for b in bindings(function.body if function else frame.source.tree.body, name)
    ]
    return any(isinstance(v, ast.Constant) for v in values)


def carried_attributes(evidence: Evidence) -> Iterator[Carried]:
    """Yield the attributes of objects, networks first, that are assigned values with a graph."""
    for owner in _owners(evidence):
        for name, value in list(vars(owner).items()):
            if not has_graph(value) or isinstance(value, nn.Parameter):
                continue
            for source in class_sources(evidence, owner):
                for function, statement, assigned in attribute_assignments(source, owner, name):
                    if isinstance(assigned, ast.Constant) or function.name == "__init__":
                        continue
                    single = isinstance(value, torch.Tensor)
                    attempts = tuple(_detached(source, function, name)) if single else ()
                    yield Carried(source, f"self.{name}", statement.lineno, attempts)
                yield from _carried_items(source, owner, name)


def _carried_items(source: Source, owner: object, name: str) -> Iterator[Carried]:
    """Yield the tensor of an attribute whose items are assigned values with a graph."""
    for _, statement, assigned in attribute_assignments(source, owner, name, items=True):
        detached = f"({source.text_of(assigned)}).detach()"
        attempt = (0, partial(edits.replace, source, [(assigned, detached)]))
        yield Carried(source, f"self.{name}", statement.lineno, (attempt,))


def _detached(source: Source, function: ast.AST, name: str) -> Iterator[Attempt]:
    """Yield the change that detaches an attribute where the function reads it first."""
    reads = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.ctx, ast.Load)
        and not isinstance(source.parent(node), ast.Attribute)
    ]
    first = min(reads, key=lambda node: (node.lineno, node.col_offset), default=None)
    if first is not None:
        yield 0, partial(edits.replace, source, [(first, f"{source.text_of(first)}.detach()")])


def _owners(evidence: Evidence) -> list[object]:
    modules: list[object] = list(evidence.record.constructed_modules())
    held = [value for frame in evidence.frames for value in frame.scope.local.values()]
    return modules + [one for one in held if hasattr(one, "__dict__") and not isinstance(one, type)]
