"""A shortcut that forward() remembers is added again."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import class_sources
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.classes import FunctionNode
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "an input that forward() saves under another name is read again",
    stays_quiet="unless the variable is assigned from a parameter alone, which is replaced later",
)
def shortcut_lost(evidence: Evidence) -> Iterator[Finding]:
    """Find `identity = x` in a forward() that never reads `identity`."""
    if evidence.error is not None:
        return
    seen: set[str] = set()
    classes = {type(m): m for n in evidence.record.kept_networks for m in n.modules()}
    for cls in classes:
        found = next(class_sources(evidence, cls), None)
        forward = found.method("forward") if found else None
        if found is None or forward is None or found.node.name in seen:
            continue
        seen.add(found.node.name)
        for statement, name, value in _unread(forward):
            yield Finding(
                kind="training/layer_output_discarded",
                message=f"{cls.__name__}.forward() saves {value} as {name} and never reads it",
                evidence=f"{value} is replaced afterwards, so the output does not contain the "
                "saved value: a residual connection is missing",
                cause=location_in(found.source, statement),
                subject=f"{cls.__name__}.{name}",
                candidates=_added(found.source, forward, name),
                confidence=6,
            )


def _unread(forward: FunctionNode) -> Iterator[tuple[ast.Assign, str, str]]:
    """Yield assignments of a parameter to a name that nothing reads, and both names."""
    names = [node for node in ast.walk(forward) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    parameters = {argument.arg for argument in forward.args.args}
    for node in forward.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Name):
            continue
        target, value = node.targets[0], node.value.id
        if not isinstance(target, ast.Name) or value not in parameters or target.id in read:
            continue
        replaced = any(
            other.id == value and isinstance(other.ctx, ast.Store) and other.lineno > node.lineno
            for other in names
        )
        if replaced and not target.id.startswith("_"):
            yield node, target.id, value


def _added(source: Source, forward: FunctionNode, name: str) -> tuple[Candidate, ...]:
    """Return patches that add the saved value to what forward() returns."""
    last = forward.body[-1]
    value = last.value if isinstance(last, ast.Return) else None
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if isinstance(value, ast.Call) and len(value.args) == 1:
        inner = value.args[0]
        new = f"{source.text_of(inner)} + {name}"
        attempts.append((0, partial(edits.replace, source, [(inner, new)])))
    if value is not None:
        new = f"{source.text_of(value)} + {name}"
        attempts.append((1, partial(edits.replace, source, [(value, new)])))
    return candidates(*attempts)
