"""The attribute that an AttributeError misses, and where the class of its owner is written."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.classes import class_sources
from broken_convnets.commands.diagnose.analysis.failures import require_failure
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.registry import OtherRun
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource, FunctionNode
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

NAMED = re.compile(r"has no attribute '(\w+)'")
OTHERS = "the attribute is not read in the program itself"


@dataclass(frozen=True)
class MissingAttribute:
    """`node` is what the program reads, such as `self.head`; `owner` has no such attribute."""

    frame: UserFrame
    node: ast.Attribute
    owner: object
    classes: tuple[ClassSource, ...]  # of the owner, as far as the user has written them

    @property
    def name(self) -> str:
        """The name that is missing."""
        return self.node.attr

    @property
    def text(self) -> str:
        """The source text of what is read."""
        return self.frame.source.text_of(self.node)

    @property
    def source(self) -> Source:
        """The file that reads it."""
        return self.frame.source

    @property
    def kind(self) -> str:
        """The topic of a mistake in the class of the owner."""
        return "module" if isinstance(self.owner, nn.Module) else "other"

    @property
    def module(self) -> str:
        """The class of the owner if it is a network."""
        return type(self.owner).__name__ if isinstance(self.owner, nn.Module) else ""

    def assignments(self) -> Iterator[tuple[ClassSource, ast.Assign | ast.AnnAssign]]:
        """Yield the statements in the owner's classes that assign `self.<name>`."""
        for one in self.classes:
            for statement in one.assignments(self.name):
                yield one, statement

    def methods(self) -> Iterator[tuple[ClassSource, FunctionNode]]:
        """Yield the methods of the owner's classes, `__init__` first."""
        for one in self.classes:
            for method in sorted(one.methods, key=lambda m: m.name != "__init__"):
                yield one, method


def missing_attribute(evidence: Evidence) -> MissingAttribute:
    """Return what an AttributeError is about; raises OtherRun if the program does not read it.

    An attribute that the class computes is left out: its getter raised.
    """
    frame = require_failure(evidence, AttributeError)
    match = NAMED.search(evidence.message)
    node = _read(frame, match[1]) if match else None
    if node is None:
        raise OtherRun(OTHERS)
    owner = frame.value(node.value)
    owner = getattr(evidence.error, "obj", UNKNOWN) if owner is UNKNOWN else owner
    if owner is UNKNOWN or owner is None or _is_there(owner, node.attr):
        raise OtherRun(OTHERS)
    return MissingAttribute(frame, node, owner, tuple(class_sources(evidence, type(owner))))


def _read(frame: UserFrame, name: str) -> ast.Attribute | None:
    """Return the failing expression if it reads an attribute of this name."""
    node = frame.expression
    node = node.func if isinstance(node, ast.Call) else node
    found = isinstance(node, ast.Attribute) and node.attr == name
    return node if found and isinstance(node, ast.Attribute) else None


def _is_there(owner: object, name: str) -> bool:
    """Return whether the class has the name, or finds attributes with code of the user's."""
    if isinstance(owner, nn.Module) and "_modules" not in vars(owner):
        return True  # it was never initialized
    if inspect.getattr_static(owner, name, UNKNOWN) is not UNKNOWN:
        return True
    getter = inspect.getattr_static(type(owner), "__getattr__", None)
    code = getattr(getter, "__code__", None)
    return code is not None and is_user_file(code.co_filename)


def own_names(owner: object) -> list[str]:
    """Return the names of an object's own attributes, layers and parameters, and its methods."""
    inside = [*getattr(owner, "__dict__", {})]
    for store in ("_modules", "_parameters", "_buffers"):
        inside += getattr(owner, "__dict__", {}).get(store, {})
    names = [*inside, *dir(type(owner))]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]
