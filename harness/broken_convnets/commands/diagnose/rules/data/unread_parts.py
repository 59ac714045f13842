"""The validation reads the part of the data that was held out for it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, scope_of
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import FUNCTIONS, called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

HELD_OUT = re.compile(r"(^|[_.])(x?val|valid|validation|test|dev|eval|held|holdout)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Mistaken:
    """An argument that leads to a loader, and the name of the part that nothing reads."""

    source: Source
    argument: ast.expr
    part: str


@rule(
    "the validation does not read the samples of the training",
    stays_quiet="if any loader reads other samples, as where the score of the training is measured "
    "too, and unless a part that is held out by its name is never used",
)
def validation_reads_training(evidence: Evidence) -> Iterator[Finding]:
    """Find a validation loader of the training part beside a held-out part that nothing reads."""
    require_success(evidence)
    loaders = evidence.record.loaders
    training = [one for one in loaders if any(trains(evidence, epoch) for epoch in one.epochs)]
    if len(set(map(_samples, loaders))) != 1:
        return
    for loader in loaders:
        if not training or loader in training or not _evaluates(evidence, loader):
            continue
        found = _mistaken(evidence, loader)
        if found is None:
            continue
        used = found.source.text_of(found.argument)
        change = [(found.argument, found.part)]
        yield Finding(
            kind="data/random_split_twice",
            message=f"the validation reads the samples of the training, and nothing reads "
            f"`{found.part}`",
            evidence=f"both loaders read the same {loader.dataset.length} samples of `{used}`, so "
            "the score says nothing about new data",
            violates=(Law.SPLITS_DISJOINT,),
            cause=location_in(found.source, found.argument),
            symptom=location(loader.epochs[0].places),
            subject=used,
            cases=("data/random_split_twice",),
            candidates=candidates((0, partial(edits.replace, found.source, change))),
            confidence=8,
        )
        return


def _samples(loader: Loader) -> tuple[object, ...]:
    """Return what tells two loaders apart that read different samples."""
    chosen = loader.sampler == "SubsetRandomSampler" and loader.epochs
    drawn = frozenset(loader.epochs[0].indices) if chosen else None
    return loader.dataset.base, loader.dataset.positions, drawn


def _evaluates(evidence: Evidence, loader: Loader) -> bool:
    """Return whether a network in eval mode, or without gradients, receives its batches."""

    def receives(epoch: Epoch) -> bool:
        values = {value for batch in epoch.values for value in batch}
        passes = (p for p in evidence.record.passes if not p.training or not p.grad_enabled)
        return any(value in values for p in passes for value in p.received)

    return any(map(receives, loader.epochs))


def _mistaken(evidence: Evidence, loader: Loader) -> Mistaken | None:
    """Return the argument that should be another part, of the call that made the loader."""
    for place in loader.places:
        source = evidence.source(place.file)
        call = source.call_at(place) if source else None
        if source is None or call is None:
            continue
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            named = isinstance(argument, ast.Name | ast.Attribute)
            parts = _unread(source, argument) if named else []
            if len(parts) == 1:
                return Mistaken(source, argument, parts[0])
    return None


def _unread(source: Source, argument: ast.expr) -> list[str]:
    """Return the held-out parts that are assigned as an argument is, and never used."""
    text, scope = source.text_of(argument), scope_of(source, argument)
    if HELD_OUT.search(text):
        return []
    statements = [n for n in own_nodes(scope) if isinstance(n, ast.Assign)]
    if isinstance(argument, ast.Attribute):
        statements = [n for n in source.statements if isinstance(n, ast.Assign)]
    own = [s for s in statements if text in _targets(source, s)]
    makers = {_maker(statement) for statement in own} - {""}
    parts = {
        name
        for statement in statements
        if statement in own or _maker(statement) in makers
        for name in _targets(source, statement)
        if name != text and HELD_OUT.search(name)
    }
    return [name for name in sorted(parts) if not _is_used(source, name, scope)]


def _maker(statement: ast.Assign) -> str:
    return called_name(statement.value) if isinstance(statement.value, ast.Call) else ""


def _targets(source: Source, statement: ast.Assign) -> list[str]:
    """Return the names that a statement assigns, those of a tuple too."""
    found = [
        one
        for target in statement.targets
        for one in (target.elts if isinstance(target, ast.Tuple | ast.List) else [target])
    ]
    return [source.text_of(one) for one in found if isinstance(one, ast.Name | ast.Attribute)]


def _is_used(source: Source, name: str, scope: ast.AST) -> bool:
    """Return whether more than the length of a name is used where it is known."""
    everywhere = "." in name or isinstance(scope, ast.Module)
    nodes = source.nodes if everywhere else list(ast.walk(scope))
    for node in nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        if source.text_of(node) != name or _is_other(source, node, name, scope):
            continue
        parent = source.parent(node)
        if not isinstance(parent, ast.Call) or called_name(parent) != "len":
            return True
    return False


def _is_other(source: Source, node: ast.expr, name: str, scope: ast.AST) -> bool:
    """Return whether a name is a local variable or parameter of another function."""
    function = source.enclosing(node, FUNCTIONS)
    if not isinstance(function, FUNCTIONS) or function is scope or "." in name:
        return False
    bound = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    stored = (n for n in ast.walk(function) if isinstance(n, ast.Name))
    bound |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    return name in bound
