"""A loss that is printed every n batches is the mean of the n batches since it was printed."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
    user_sources,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


class Division(NamedTuple):
    """A sum that is divided by a number every `batches` batches, and then begins at 0 again."""

    node: ast.BinOp
    divisor: ast.Constant
    batches: int
    name: str


@rule(
    "a mean that is printed every n batches is over n batches",
    stays_quiet="unless a sum over the batches is divided by a number in a branch for every n-th "
    "batch, which sets the sum to 0, and the number is not n",
)
def printed_mean_of_other_batches(evidence: Evidence) -> Iterator[Finding]:
    """Find `if i % 10 == 9: print(running / 2000); running = 0.0`."""
    require_success(evidence)
    for source in user_sources(evidence):
        for branch in source.statements:
            batches = _period(branch.test) if isinstance(branch, ast.If) else None
            if not isinstance(branch, ast.If) or not batches or not source.loops_around(branch):
                continue
            for found in _divisions(source, branch, batches):
                change = partial(edits.replace, source, [(found.divisor, str(batches))])
                text = source.text_of(found.node)
                yield Finding(
                    rule="printed_mean_of_other_batches",
                    kind="loss/accuracy_divided_by_batches",
                    message=f"`{text}` is no mean: {found.name} is the sum of {batches} batches",
                    evidence=f"`{source.text_of(branch.test)}` is true for every {batches}th "
                    f"batch, and {found.name} is set to 0 there; it is divided by "
                    f"{source.text_of(found.divisor)}",
                    cause=location_in(source, found.node),
                    subject=text,
                    candidates=candidates((0, change)),
                    confidence=7,
                )


def _period(test: ast.expr) -> int | None:
    """Return n of `i % n == n - 1`, `(i + 1) % n == 0` and the like."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        rest = test.left
        if isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Mod):
            number = rest.right.value if isinstance(rest.right, ast.Constant) else None
            return number if type(number) is int and number > 1 else None
    return None


def _divisions(source: Source, branch: ast.If, batches: int) -> Iterator[Division]:
    cleared = {
        source.text_of(target)
        for node in branch.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value == 0
        for target in node.targets
    }
    for node in (one for statement in branch.body for one in ast.walk(statement)):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
            continue
        name, divisor = source.text_of(node.left), node.right
        if name not in cleared or not isinstance(divisor, ast.Constant):
            continue
        other = type(divisor.value) is int and divisor.value not in {1, batches}
        if other and _adds_one_number(source, branch, name):
            yield Division(node, divisor, batches, name)


def _adds_one_number(source: Source, branch: ast.If, name: str) -> bool:
    """Return whether the loop adds `x.item()` or a plain name, and not a sum over samples."""
    loop = source.loops_around(branch)[0]
    added = [
        node.value
        for node in ast.walk(loop)
        if isinstance(node, ast.AugAssign) and source.text_of(node.target) == name
    ]
    return len(added) == 1 and isinstance(added[0], ast.Call | ast.Name | ast.Attribute)
