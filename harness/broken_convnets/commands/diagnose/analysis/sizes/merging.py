"""Changes of a view that moves parts of one sample into the batch."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.sizes.changes import (
    Wanted,
    argument_changes,
    merged,
    product_of,
)
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operands
from broken_convnets.commands.diagnose.edits import replace

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.values import Value


def unmerged_changes(
    evidence: Evidence, call: tuple[Source, ast.Call], before: Value, after: tuple[int, ...]
) -> Iterator[Group]:
    """Yield the change to torch.flatten, with the next Linear layer constructed for its result."""
    source, node = call
    text = f"torch.flatten({source.text_of(operands(source, node)[0])}, 1)"
    flat: Change = partial(replace, source, [(node, text)])
    yield 0, "", fitted_changes(evidence, flat, before, after[-1])


def fitted_changes(
    evidence: Evidence, flat: Change, before: Value, features: int
) -> Iterator[Change]:
    """Yield `flat` alone, then with each Linear layer of `features` constructed for `before`."""
    yield flat
    size = math.prod(before.shape[1:])
    for module in evidence.record.constructed_modules():
        if isinstance(module, nn.Linear) and module.in_features == features:
            where = construction_of(evidence.record, module)
            wanted = Wanted(size, features, product_of(before.shape))
            fitted = argument_changes(evidence, where, module, "in_features", wanted)[:2]
            yield from (partial(merged, evidence, flat, one) for one in fitted)
