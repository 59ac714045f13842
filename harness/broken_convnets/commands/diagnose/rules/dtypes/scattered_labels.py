"""The index of scatter has as many dimensions as the tensor that it writes to."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import cast, failed_operator
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

SAME = "Index tensor must have the same number of dimensions as self tensor"


@rule(
    "the index of scatter has as many dimensions as the tensor that it writes to",
    stays_quiet="about an index that lacks more than one dimension",
)
def index_lacks_a_dimension(evidence: Evidence) -> Iterator[Finding]:
    """Find labels of shape [N] that scatter writes into one-hot rows of shape [N, classes]."""
    frame = require_failure(evidence, RuntimeError)
    operator, call = failed_operator(evidence), frame.call
    if SAME not in evidence.message or operator is None or call is None:
        return
    target, index, *_ = (value.shape for value in operator.inputs)
    if not operator.name.startswith("scatter") or len(target) != len(index) + 1:
        return
    node = _index(call)
    dim = operator.literals.get(1, operator.literals.get("dim", 1))
    text = frame.source.text_of(node) if node else "the index"
    yield Finding(
        rule="index_lacks_a_dimension",
        kind="loss/scatter_one_hot",
        message=f"`{text}` has {len(index)} dimensions, and {operator.name} writes to a tensor "
        f"of {len(target)}",
        evidence=f"the index is {list(index)}, the tensor is {list(target)}: the index lacks "
        f"dimension {dim}",
        cause=frame_location(frame),
        subject=text,
        cases=("loss/scatter_labels_without_dimension",),
        candidates=candidates(
            (0, partial(edits.replace, frame.source, [(node, cast(text, f"unsqueeze({dim})"))]))
        )
        if node
        else (),
        confidence=9,
    )


def _index(call: ast.Call) -> ast.expr | None:
    """Return the index of `x.scatter_(dim, index, ...)` or `torch.scatter(x, dim, index, ...)`."""
    is_torch = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "torch"
    return argument(call, "index", 2 if is_torch else 1)
