"""Where a program freezes parameters, and how to leave the last layer out."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


def freezing_statements(evidence: Evidence) -> Iterator[tuple[Source, ast.stmt]]:
    """Yield the statements that set requires_grad to False, in the order of their lines."""
    for source in evidence.user_sources:
        for node in sorted(source.statements, key=lambda one: one.lineno):
            if _freezes(node):
                yield source, node


def _freezes(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        false = isinstance(node.value, ast.Constant) and node.value.value is False
        targets = [t for t in node.targets if isinstance(t, ast.Attribute)]
        return false and any(t.attr == "requires_grad" for t in targets)
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or called_name(call) != "requires_grad_" or not call.args:
        return False
    first = call.args[0]
    return isinstance(first, ast.Constant) and first.value is False


def unfrozen(evidence: Evidence, found: Sequence[tuple[Source, ast.stmt]]) -> Iterator[Attempt]:
    """Yield the changes that leave the last layer trainable: freeze less, or freeze earlier."""
    for source, statement in found:
        loop = next(iter(source.loops_around(statement)), None)
        block = loop or statement
        owner = _owner(loop, statement)
        last = _last_layer(source, block)
        if last is not None:
            yield 0, partial(edits.move, source, block, last, after=False)
        networks = sorted(
            evidence.record.constructed_modules(), key=lambda m: -sum(1 for _ in m.modules())
        )
        for network in networks:
            children = [n for n, child in network.named_children() if _has_parameters(child)]
            if len(children) < 2 or owner is None:  # noqa: PLR2004  (what is frozen, and the rest)
                continue
            trained = f"{source.text_of(owner)}.{children[-1]}.requires_grad_(True)"
            yield 0, partial(edits.insert_after, source, block, trained)
            for child in children[:-1]:
                new = f"{source.text_of(owner)}.{child}"
                yield 1, partial(edits.replace, source, [(owner, new)])
            return


def _has_parameters(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _owner(loop: ast.For | ast.While | None, statement: ast.stmt) -> ast.expr | None:
    """Return the network whose parameters are frozen: `net` of `net.parameters()`."""
    call: ast.expr | None = None
    if isinstance(loop, ast.For):
        call = loop.iter
    elif isinstance(statement, ast.Expr):
        call = statement.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        return call.func.value
    return None


def _last_layer(source: Source, block: ast.stmt) -> ast.stmt | None:
    """Return the assignment of a layer to an attribute directly before, in the same block."""
    before = [s for s in source.block_of(block) if s.lineno < block.lineno]
    for statement in reversed(before):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
            continue
        if isinstance(statement.targets[0], ast.Attribute):
            return statement
    return None
