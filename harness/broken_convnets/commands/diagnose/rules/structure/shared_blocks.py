"""Repeated blocks are separate modules."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import assignments, candidates
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@rule(
    "repeated blocks are modules of their own",
    stays_quiet="unless a list multiplication, a comprehension or a loop repeats one module",
)
def block_repeated(evidence: Evidence) -> Iterator[Finding]:
    """Find one module that is registered several times in a container by `[block] * n`."""
    if evidence.error is not None:
        return
    for network in evidence.record.kept_networks:
        for path, container in network.named_modules():
            for block, times in _repeated(container):
                found = _repetition(evidence, block)
                if found is not None:
                    yield _finding(path, block, times, *found)


def _repeated(container: nn.Module) -> Iterator[tuple[nn.Module, int]]:
    if not isinstance(container, CONTAINERS):
        return
    parts = [part for part in container._modules.values() if part is not None]  # noqa: SLF001  (`children` leaves out repeated ones)
    for part in dict.fromkeys(parts):
        times = sum(1 for other in parts if other is part)
        if times > 1 and any(True for _ in part.parameters()):
            yield part, times


def _repetition(evidence: Evidence, block: nn.Module) -> tuple[Source, ast.expr] | None:
    """Return the expression that repeats a module, in a function that constructs it."""
    built = evidence.record.construction(block)
    for place in built.places if built else ():
        source = evidence.source(place.file)
        call = source.expression_at(place) if source else None
        if source is None or call is None:
            continue
        scope = source.class_of(call) or source.function_of(call) or source.tree
        name = _assigned(source, call)
        for node in ast.walk(scope):
            element = _element(node)
            if element is None or not isinstance(node, ast.expr):
                continue
            text = source.text_of(element)
            if _holds(element, call) or (name and text == name):
                return source, node
    return None


def _assigned(source: Source, call: ast.expr) -> str:
    statement = source.statement_of(call)
    if not isinstance(statement, ast.Assign) or statement.value is not call:
        return ""
    return source.text_of(statement.targets[0])


def _element(node: ast.AST) -> ast.expr | None:
    """Return what `[x] * n`, `n * [x]` or `[x for _ in ...]` repeats; a call in the last is new."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for side in (node.left, node.right):
            if isinstance(side, ast.List | ast.Tuple) and len(side.elts) == 1:
                return side.elts[0]
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        return node.elt if isinstance(node.elt, ast.Name | ast.Attribute) else None
    return None


def _holds(element: ast.expr, call: ast.expr) -> bool:
    return any(node is call for node in ast.walk(element))


def _finding(
    path: str, block: nn.Module, times: int, source: Source, repetition: ast.expr
) -> Finding:
    own = sum(parameter.numel() for parameter in block.parameters())
    text = source.text_of(repetition)
    return Finding(
        kind="training/empty_parameter_list",
        message=f"{path or 'the network'} contains one {type(block).__name__} {times} times",
        evidence=f"{text} repeats the same object: {own} parameters instead of {times * own}",
        violates=(Law.PARAMETERS_AS_DECLARED,),
        cause=Location(source.path, repetition.lineno),
        subject=f"{path}:{text}",
        module=path,
        cases=("module/shared_block_list_multiplication",),
        candidates=_separate(source, repetition),
        confidence=8,
    )


def _separate(source: Source, repetition: ast.expr) -> tuple[Candidate, ...]:
    element = _element(repetition)
    if element is None:
        return ()
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    for rank, text in enumerate(_constructors(source, element)):
        if isinstance(repetition, ast.BinOp):
            times = repetition.left if _holds(repetition.right, element) else repetition.right
            new = f"[{text} for _ in range({source.text_of(times)})]"
            attempts.append((rank, partial(edits.replace, source, [(repetition, new)])))
        else:
            attempts.append((rank, partial(edits.replace, source, [(element, text)])))
    return candidates(*attempts)


def _constructors(source: Source, element: ast.expr) -> list[str]:
    """Return texts that construct another such block."""
    text = source.text_of(element)
    if not isinstance(element, ast.Name | ast.Attribute):
        return [text]
    scope = source.function_of(element) or source.tree
    values = [node.value for node in assignments(source, text, scope)]
    calls = [source.text_of(v) for v in values if isinstance(v, ast.Call)]
    return [*calls[-1:], f'__import__("copy").deepcopy({text})']
