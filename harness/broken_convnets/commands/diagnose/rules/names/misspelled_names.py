"""Attributes of objects are read by the names that they have."""

from __future__ import annotations

import ast
from argparse import Namespace
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.analysis.missing_attributes import (
    missing_attribute,
    own_names,
)
from broken_convnets.commands.diagnose.analysis.near_names import misspelled, nearest
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.names.library_methods import TENSOR_METHODS
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource
    from broken_convnets.commands.diagnose.analysis.missing_attributes import MissingAttribute
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate, Location

Definition = tuple["ClassSource", ast.Attribute]


@rule(
    "attributes of networks and other objects are read by the names that they have",
    stays_quiet="if a method assigns the attribute, and if no name or several names are near",
)
def misspelled_attribute(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.cov1` of an object that has `conv1`."""
    missing = missing_attribute(evidence)
    if isinstance(missing.owner, type | ModuleType) or any(missing.assignments()):
        return
    if isinstance(missing.owner, torch.Tensor) and missing.name in TENSOR_METHODS:
        return  # a method of arrays
    known = own_names(missing.owner)
    meant = nearest(missing.name, _of_user(missing, known))
    meant = meant or (misspelled(missing.name, known) or [""])[0]
    if not meant:
        return
    wrong = _wrong_definition(missing, meant)
    yield Finding(
        kind=missing.kind,
        message=f"{type(missing.owner).__name__} has no `{missing.name}`; it has `{meant}`",
        evidence=_evidence(missing, meant, wrong),
        cause=_where(missing, wrong),
        symptom=frame_location(missing.frame),
        subject=missing.text,
        module=missing.module,
        candidates=_renamed(missing, meant, wrong),
        confidence=9,
    )


def _of_user(missing: MissingAttribute, known: list[str]) -> list[str]:
    """Return the names that the program gave, of its own classes, options and layers."""
    owner = missing.owner
    if missing.classes or isinstance(owner, Namespace | SimpleNamespace | nn.Module):
        library = set(dir(nn.Module)) if isinstance(owner, nn.Module) else set()
        return [name for name in known if name not in library]
    return []


def _reads(missing: MissingAttribute, name: str) -> list[ast.Attribute]:
    """Return what reads an attribute of a name, in the owner's classes and the failing file."""
    sources = {one.source.path: one.source for one in missing.classes}
    sources[missing.source.path] = missing.source
    return [
        node
        for source in sources.values()
        for node in source.expressions
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load)
    ]


def _wrong_definition(missing: MissingAttribute, meant: str) -> Definition | None:
    """Return the only assignment of the name that exists, if only the missing one is read."""
    if len(_reads(missing, missing.name)) < 2 or _reads(missing, meant):  # noqa: PLR2004  (several uses agree)
        return None
    found = [(one, s) for one in missing.classes for s in one.assignments(meant)]
    if len(found) != 1:
        return None
    owner, statement = found[0]
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    target = next((t for t in targets if isinstance(t, ast.Attribute)), None)
    return (owner, target) if target is not None else None


def _where(missing: MissingAttribute, wrong: Definition | None) -> Location:
    return (
        location_in(wrong[0].source, wrong[1])
        if wrong
        else location_in(missing.source, missing.node)
    )


def _evidence(missing: MissingAttribute, meant: str, wrong: Definition | None) -> str:
    if wrong is not None:
        uses = len(_reads(missing, missing.name))
        return f"{uses} places read `{missing.name}`, and nothing reads `{meant}`"
    value = getattr(missing.owner, meant, None)
    return f"`{meant}` is of type {type(value).__name__}"


def _renamed(
    missing: MissingAttribute, meant: str, wrong: Definition | None
) -> tuple[Candidate, ...]:
    if wrong is not None:
        owner, target = wrong
        new = f"{owner.source.text_of(target.value)}.{missing.name}"
        return candidates((0, partial(edits.replace, owner.source, [(target, new)])))
    changes = [
        (node, f"{missing.source.text_of(node.value)}.{meant}")
        for node in _reads(missing, missing.name)
        if node in missing.source.nodes
        and missing.source.text_of(node.value) == missing.source.text_of(missing.node.value)
    ]
    return candidates((0, partial(edits.replace, missing.source, changes)))
