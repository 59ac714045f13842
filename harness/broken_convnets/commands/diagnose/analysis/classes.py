"""Where a module's class is written, and which of its lines assign and read its attributes."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class ClassSource:
    """A class of the user's, and the file that it is written in."""

    source: Source
    node: ast.ClassDef

    @property
    def methods(self) -> list[FunctionNode]:
        """The methods that the class itself defines."""
        return [node for node in self.node.body if isinstance(node, FunctionNode)]

    def method(self, name: str) -> FunctionNode | None:
        """Return a method of the class itself."""
        return next((one for one in self.methods if one.name == name), None)

    def assignments(self, attribute: str) -> list[ast.Assign | ast.AnnAssign]:
        """Return the statements that assign `self.<attribute>`."""
        return [
            node
            for node in ast.walk(self.node)
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and any(_is_own(target, attribute) for target in targets_of(node))
        ]


def targets_of(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    """Return what a statement assigns to."""
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _is_own(target: ast.expr, attribute: str) -> bool:
    is_own = isinstance(target, ast.Attribute) and target.attr == attribute
    return is_own and isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)


def class_sources(evidence: Evidence, cls: type) -> Iterator[ClassSource]:
    """Yield a class and its bases, as far as the user has written them."""
    for owner in cls.__mro__:
        found = _class_source(evidence, owner)
        if found is not None:
            yield found


def _class_source(evidence: Evidence, owner: type) -> ClassSource | None:
    for member in vars(owner).values():
        code = getattr(member, "__code__", None)
        if code is None or not is_user_file(code.co_filename):
            continue
        source = evidence.source(code.co_filename)
        function = source.function_named(code.co_name, code.co_firstlineno) if source else None
        node = source.class_of(function) if source and function else None
        if source is not None and node is not None and node.name == owner.__name__:
            return ClassSource(source, node)
    return None


def reads_of(source: Source, attribute: str) -> list[ast.Attribute]:
    """Return the expressions of a file that read an attribute of this name, of any object."""
    return [
        node
        for node in source.expressions
        if isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.ctx, ast.Load)
    ]


def nn_name(source: Source) -> str:
    """Return how a file names `torch.nn`."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            for alias in node.names:
                if alias.name == "nn":
                    return alias.asname or "nn"
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "torch.nn" and alias.asname:
                    return alias.asname
    return "torch.nn"
