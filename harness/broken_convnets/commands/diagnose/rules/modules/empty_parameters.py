"""Parameters and buffers have numbers before the first forward pass reads them."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.modules.empty_tensors import (
    SIZED,
    allocation_in,
    is_allocation,
)
from broken_convnets.commands.diagnose.rules.modules.first_writes import is_read_unwritten
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.unwritten import Unwritten

ADDED = frozenset({"bias", "b", "beta", "shift", "offset", "mean"})  # 0 changes nothing


@rule(
    "the memory of parameters and buffers is initialized before the first forward pass reads it",
    stays_quiet="unless a constructor assigns torch.empty(...) or torch.Tensor(sizes) itself, and "
    "no operator writes to the tensor or replaces it before it is read",
)
def parameter_is_not_initialized(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.weight = nn.Parameter(torch.empty(8, 3))` without an initialization."""
    for one in evidence.record.unwritten:
        module = one.module()
        if module is None or not is_read_unwritten(evidence, one):
            continue
        for source, call in _allocations(evidence, module, one):
            yield _finding(source, call, one, type(module).__name__)


def _finding(source: Source, call: ast.Call, one: Unwritten, owner: str) -> Finding:
    name = f"{owner}.{one.name}"
    return Finding(
        kind="module",
        message=f"{name} is read before anything writes to it: `{source.text_of(call.func)}` "
        "allocates memory and does not initialize it",
        evidence=f"{one.path or owner}: {one.value} is read in the first forward pass, and no "
        "operator has written to it until then; its numbers are whatever was in the memory",
        cause=location_in(source, call),
        subject=name,
        module=one.path,
        candidates=_initialized(source, call, one),
        confidence=7,
    )


def _allocations(
    evidence: Evidence, module: nn.Module, one: Unwritten
) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the call that allocates a tensor where a constructor stores it, and nothing else."""
    built = evidence.record.construction(module)
    for source in class_sources(evidence, module) if built is not None else ():
        owner = source.class_named(type(module).__name__)
        call = allocation_in(owner, one.name) if owner is not None else None
        shape = one.value.shape
        if built and call and is_allocation(call, shape, module, built.arguments):
            yield source, call


def _initialized(source: Source, call: ast.Call, one: Unwritten) -> tuple[Candidate, ...]:
    """Return the changes that call torch.ones, torch.zeros or torch.randn instead."""
    if not isinstance(call.func, ast.Attribute):
        return ()
    name, owner = call.func.attr, source.text_of(call.func.value)
    name = "empty" if name in SIZED else name
    is_added = one.name.lower().rpartition("_")[2] in ADDED
    called = [f"{owner}.{name.replace('empty', f)}" for f in ("zeros", "ones")]
    if not is_added:
        called.reverse()
    is_matrix = sum(size > 1 for size in one.value.shape) > 1 and name != "new_empty"
    if is_matrix and not is_added:  # equal numbers would let all its rows learn the same
        called = [f"{owner}.{name.replace('empty', 'randn')}"]
    return candidates(
        *((n, partial(edits.replace, source, [(call.func, f)])) for n, f in enumerate(called))
    )
