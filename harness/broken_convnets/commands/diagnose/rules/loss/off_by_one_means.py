"""A sum over a loader is divided by the number of its batches, and not by one more or less."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    division_of,
    iterated,
    own_nodes,
    scope_of,
)
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.counters import Division
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a mean over the batches of a loader is over all of them",
    stays_quiet="unless a loop over a loader or a dataset adds to a variable once, without "
    "conditions, and it is divided by the length of this loader plus or minus 1",
)
def mean_off_by_one(evidence: Evidence) -> Iterator[Finding]:
    """Find `total / (len(loader) + 1)`."""
    require_success(evidence)
    for source in evidence.user_sources:
        for growth in source.statements:
            if not isinstance(growth, ast.AugAssign) or not isinstance(growth.op, ast.Add):
                continue
            loops = source.loops_around(growth)
            loop = loops[0] if loops else None
            if not isinstance(loop, ast.For) or growth not in loop.body or _leaves(loop):
                continue
            name, read = source.text_of(growth.target), source.text_of(iterated(loop.iter))
            for division in _divisions(source, growth, name):
                length = _length(division.divisor)
                if length is None or source.text_of(length.args[0]) != read:
                    continue
                right = source.text_of(length)
                text = source.text_of(division.node)
                change = partial(edits.replace, source, [(division.divisor, right)])
                yield Finding(
                    kind="loss/accuracy_divided_by_batches",
                    message=f"`{text}` is not the mean: {name} is the sum over {right} batches",
                    evidence=f"the loop over {read} adds to {name} once for each batch, and "
                    f"`{source.text_of(division.divisor)}` is another number",
                    cause=location_in(source, division.node),
                    subject=text,
                    candidates=candidates((0, change)),
                    confidence=7,
                )


def _leaves(loop: ast.For) -> bool:
    """Return whether a loop may skip or leave out batches."""
    return any(isinstance(node, ast.Break | ast.Continue) for node in ast.walk(loop))


def _divisions(source: Source, growth: ast.AugAssign, name: str) -> list[Division]:
    found = (division_of(source, one, name) for one in own_nodes(scope_of(source, growth)))
    return [one for one in found if one is not None]


def _length(divisor: ast.expr) -> ast.Call | None:
    """Return `len(x)` of `len(x) + 1` and `len(x) - 1`."""
    if not isinstance(divisor, ast.BinOp) or not isinstance(divisor.op, ast.Add | ast.Sub):
        return None
    call, one = divisor.left, divisor.right
    is_one = isinstance(one, ast.Constant) and one.value == 1
    is_length = isinstance(call, ast.Call) and called_name(call) == "len" and call.args
    return call if is_one and is_length and isinstance(call, ast.Call) else None
