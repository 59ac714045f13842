"""Functions of the program that compute the output size of a convolution.

It is (size + 2 * padding - kernel) // stride + 1 without dilation:
https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
"""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.edits import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


def formula_changes(evidence: Evidence) -> Iterator[Change]:
    """Yield the changes that add the padding on both sides, where a formula adds it once."""
    for source in evidence.user_sources:
        for division in source.expressions:
            if isinstance(division, ast.BinOp) and isinstance(division.op, ast.FloorDiv | ast.Div):
                for name in _added_paddings(source, division):
                    yield partial(replace, source, [(name, f"2 * {name.id}")])


def _added_paddings(source: Source, division: ast.BinOp) -> Iterator[ast.Name]:
    """Yield the parameters for a padding that are added to a dividend as they are."""
    function = source.function_of(division)
    parameters = [one.arg for one in function.args.args] if function else []
    for node in ast.walk(division.left):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
            continue
        for operand in (node.left, node.right):
            if isinstance(operand, ast.Name) and operand.id in parameters and "pad" in operand.id:
                yield operand
