"""A loop over batches adds up what it computes for all of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, scope_of
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

KIND = "loss/broadcast_metric"


@dataclass(frozen=True)
class BatchLoop:
    """A loop in the user's source that read batches of a loader."""

    source: Source
    node: ast.For
    loader: Loader
    epoch: Epoch

    def names(self, *, stored: bool) -> list[ast.Name]:
        """Return the variables that the body assigns, or those that it reads."""
        kind = ast.Store if stored else ast.Load
        nodes = [n for one in self.node.body for n in ast.walk(one) if isinstance(n, ast.Name)]
        return [one for one in nodes if isinstance(one.ctx, kind)]

    def is_about_last(self, name: str) -> bool:
        """Return whether a statement below the loop reads a variable beside the last batch."""
        scope, end = scope_of(self.source, self.node), self.node.end_lineno or 0
        batch = {n.id for n in ast.walk(self.node.target) if isinstance(n, ast.Name)}
        nodes = [n for n in own_nodes(scope) if isinstance(n, ast.Name) and n.lineno > end]
        first = next((self.source.statement_of(n) for n in nodes if n.id == name), None)
        read = [n.id for n in nodes if first and self.source.statement_of(n) is first]
        return not batch.isdisjoint(read)

    def calls(self, name: str) -> bool:
        """Return whether the body calls a function or method of this name."""
        nodes = (n for one in self.node.body for n in ast.walk(one))
        return any(isinstance(n, ast.Call) and called_name(n) == name for n in nodes)

    def is_read_after(self, name: str) -> bool:
        """Return whether the code below the loop, in the same function, reads a variable."""
        scope, end = scope_of(self.source, self.node), self.node.end_lineno or 0
        nodes = [n for n in own_nodes(scope) if isinstance(n, ast.Name) and n.id == name]
        after = sorted((n for n in nodes if n.lineno > end), key=lambda n: n.lineno)
        return bool(after) and any(isinstance(n.ctx, ast.Load) for n in after[:1])


def batch_loops(evidence: Evidence) -> Iterator[BatchLoop]:
    """Yield each loop over a loader once."""
    seen: set[ast.For] = set()
    for loader in evidence.record.loaders:
        for epoch in loader.epochs:
            place = epoch.places[0] if epoch.places else None
            source = evidence.source(place.file) if place else None
            loops = [s for s in source.statements if isinstance(s, ast.For)] if source else []
            for node in loops:
                if source and place and node.lineno == place.line and node not in seen:
                    seen.add(node)
                    yield BatchLoop(source, node, loader, epoch)


@rule(
    "what a loop adds up over batches begins before the loop",
    stays_quiet="unless a number or a list begins anew for each of several batches, grows in the "
    "same turn, is read nowhere else in the loop, and is read after it, apart from what the last "
    "batch is; a warning for sums over "
    "parts of one batch, and quiet about those while a network trains",
)
def begins_in_each_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find `correct = 0` inside of the loop that adds to it."""
    require_success(evidence)
    for loop in batch_loops(evidence):
        if loop.epoch.batches < 2:  # noqa: PLR2004  (several batches)
            continue
        for statement, name in _beginnings(loop):
            grown = _growth(loop, name)
            reads = [n for n in loop.names(stored=False) if n.id == name]
            if grown is None or len(reads) > isinstance(grown, ast.Call):
                continue
            inner = len(loop.source.loops_around(grown)) > len(loop.source.loops_around(statement))
            if not loop.is_read_after(name) or loop.is_about_last(name):
                continue
            if inner and loop.calls("backward"):
                continue
            yield Finding(
                kind=KIND,
                message=f"{name} begins anew in each batch, so that only the last batch counts",
                evidence=f"`{loop.source.text_of(statement)}` is inside of the loop over "
                f"{loop.epoch.batches} batches that `{loop.source.text_of(grown)}` adds up",
                cause=location_in(loop.source, statement),
                symptom=location_in(loop.source, grown),
                severity=Severity.WARNING if inner else Severity.ERROR,
                subject=name,
                candidates=candidates(
                    (0, partial(edits.move, loop.source, statement, loop.node, after=False))
                ),
                confidence=7,
            )
            break


def _beginnings(loop: BatchLoop) -> Iterator[tuple[ast.Assign, str]]:
    """Yield the statements of the body that assign 0 or an empty list, and the variables."""
    for statement in loop.node.body:
        if not isinstance(statement, ast.Assign):
            continue
        value = statement.value
        values = value.elts if isinstance(value, ast.Tuple) else [value]
        if not all(map(_is_empty, values)):
            continue
        for node in (n for target in statement.targets for n in ast.walk(target)):
            if isinstance(node, ast.Name):
                yield statement, node.id


def _is_empty(node: ast.expr) -> bool:
    number = isinstance(node, ast.Constant) and type(node.value) in {int, float} and not node.value
    return number or (isinstance(node, ast.List) and not node.elts)


def _growth(loop: BatchLoop, name: str) -> ast.AugAssign | ast.Call | None:
    """Return what adds to a variable in the loop."""
    for node in (n for one in loop.node.body for n in ast.walk(one)):
        target = node.target if isinstance(node, ast.AugAssign) else None
        if isinstance(node, ast.AugAssign) and isinstance(target, ast.Name) and target.id == name:
            return node
        if isinstance(node, ast.Call) and called_name(node) in {"append", "extend"}:
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id == name:
                return node
    return None


@rule(
    "a function returns its sum over batches after the loop",
    stays_quiet="unless the last statement of a loop over a loader returns without a condition, "
    "the loop adds something up that begins before it and is returned, and the loader has more "
    "batches",
)
def returns_after_one_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find `return correct / total` that is indented into the loop."""
    require_success(evidence)
    for loop in batch_loops(evidence):
        last, length = loop.node.body[-1], loop.loader.dataset.length or 0
        size = loop.loader.batch_size or 0
        if not isinstance(last, ast.Return) or not 0 < size < length:
            continue
        if not _returns_a_sum(loop, last):
            continue
        if any(epoch.batches > 1 for epoch in loop.loader.epochs if _is_of(epoch, loop)):
            continue
        out = partial(edits.move, loop.source, last, loop.node, after=True)
        yield Finding(
            kind=KIND,
            message="a function returns after the first batch: the return is inside of the loop",
            evidence=f"`{loop.source.text_of(last)}` ends the loop in its first turn, with {size} "
            f"of {length} samples",
            cause=location_in(loop.source, last),
            subject=loop.source.text_of(last),
            candidates=candidates((0, out)),
            confidence=8,
        )


def _returns_a_sum(loop: BatchLoop, last: ast.Return) -> bool:
    """Return whether the loop adds to a variable from before it, and returns what it has."""
    grown = {
        node.target.id
        for one in loop.node.body
        for node in ast.walk(one)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    before = {
        node.id
        for node in own_nodes(scope_of(loop.source, loop.node))
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and node.lineno < loop.node.lineno
    }
    read = {node.id for node in ast.walk(last) if isinstance(node, ast.Name)}
    return bool(grown & before & read)


def _is_of(epoch: Epoch, loop: BatchLoop) -> bool:
    return bool(epoch.places) and epoch.places[0] == loop.epoch.places[0]
