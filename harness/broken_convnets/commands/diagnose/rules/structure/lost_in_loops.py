"""What layers return in a loop is kept: assigning to the loop's variable changes no list."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


class LostResult(NamedTuple):
    """`x = layer(x)` as the last statement of `for x in xs`, where nothing reads `x` afterwards."""

    source: Source
    loop: ast.For
    assigned: ast.Assign


@rule(
    "what layers return in a loop is kept",
    stays_quiet="if the variable of the loop is read after the assignment, and about calls that "
    "run no layer",
)
def result_lost_in_loop(evidence: Evidence) -> Iterator[Finding]:
    """Find `for x in xs: x = layer(x)`, after which `xs` holds what it held before."""
    layers = {
        (place.file, place.line)
        for operator in evidence.record.operators
        if operator.layer
        for place in operator.places
    }
    for source in evidence.user_sources:
        for found in _lost(source):
            if (source.path, found.assigned.lineno) not in layers:
                continue
            text = source.text_of(found.assigned)
            listed = _listed(found)
            yield Finding(
                kind="training/unused_layer",
                message=f"`{text}` binds the variable of the loop, and nothing reads it",
                evidence="the next turn replaces it, and what the loop runs over holds the values "
                "from before; collect the results in a list",
                violates=(Law.EVERY_PARAMETER_LEARNS,),
                cause=location_in(source, found.assigned),
                subject=text,
                cases=("module/discarded_layer_output",),
                candidates=candidates((0, partial(_collected, found, listed))) if listed else (),
                confidence=9,
            )
            return


def _lost(source: Source) -> Iterator[LostResult]:
    for loop in source.statements:
        last = loop.body[-1] if isinstance(loop, ast.For) else None
        if not isinstance(loop, ast.For) or not isinstance(last, ast.Assign):
            continue
        target = last.targets[0]
        own = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        if not isinstance(target, ast.Name) or not isinstance(last.value, ast.Call):
            continue
        if target.id in own and not is_read_after(source, loop, target.id):
            yield LostResult(source, loop, last)


def is_read_after(source: Source, loop: ast.For, name: str) -> bool:
    """Return whether code after a loop reads a name, comprehensions with their own aside."""
    scope = source.function_of(loop) or source.tree
    return any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Load)
        and node.lineno > (loop.end_lineno or loop.lineno)
        and not _is_of_comprehension(source, node)
        for node in ast.walk(scope)
    )


def _is_of_comprehension(source: Source, name: ast.Name) -> bool:
    for around in source.ancestors(name):
        if isinstance(around, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
            targets = [n for one in around.generators for n in ast.walk(one.target)]
            if any(isinstance(n, ast.Name) and n.id == name.id for n in targets):
                return True
    return False


def _listed(found: LostResult) -> str:
    """Return the name of the list that a loop of one statement runs over."""
    node = found.loop.iter
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "enumerate" and node.args:
        node = node.args[0]
    return node.id if isinstance(node, ast.Name) and len(found.loop.body) == 1 else ""


def _collected(found: LostResult, listed: str) -> Patch:
    """Write the loop as a comprehension that the list is bound to."""
    source, loop = found.source, found.loop
    value, target = source.text_of(found.assigned.value), source.text_of(loop.target)
    text = f"{listed} = [{value} for {target} in {source.text_of(loop.iter)}]"
    return edits.replace(source, [(loop, text)])
