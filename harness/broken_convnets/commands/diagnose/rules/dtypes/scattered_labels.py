"""The index of scatter and gather has as many dimensions as their tensor."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import applied, failed_operator
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]

SAME = "Index tensor must have the same number of dimensions as "


@rule(
    "the index of scatter and gather has as many dimensions as their tensor",
    stays_quiet="about an index that lacks more than one dimension",
)
def index_lacks_a_dimension(evidence: Evidence) -> Iterator[Finding]:
    """Find labels of shape [N] that scatter writes into, or gather reads from, [N, classes]."""
    frame = require_failure(evidence, RuntimeError)
    operator, call = failed_operator(evidence), frame.call
    if SAME not in evidence.message or operator is None or call is None:
        return
    name = operator.name
    if not name.startswith(("scatter", "gather")) or len(operator.inputs) < 2:  # noqa: PLR2004  (tensor and index)
        return
    target, index, *_ = (value.shape for value in operator.inputs)
    if len(target) != len(index) + 1:
        return
    node = _index(call)
    dim = operator.literals.get(1, operator.literals.get("dim", 1))
    text = frame.source.text_of(node) if node else "the index"
    reads = name.startswith("gather")
    yield Finding(
        kind="loss/target_shape" if reads else "loss/scatter_one_hot",
        message=f"`{text}` has {len(index)} dimensions, and {name} "
        f"{'reads from' if reads else 'writes to'} a tensor of {len(target)}",
        evidence=f"the index is {list(index)}, the tensor is {list(target)}: the index lacks "
        f"dimension {dim}",
        cause=frame_location(frame),
        subject=text,
        cases=() if reads else ("loss/scatter_labels_without_dimension",),
        candidates=candidates(*_attempts(frame, call, node, dim, reads=reads)) if node else (),
        confidence=9,
    )


def _attempts(
    frame: UserFrame, call: ast.Call, node: ast.expr, dim: object, *, reads: bool
) -> Iterator[Attempt]:
    """Yield the change that adds the dimension; after gather, it is removed again."""
    source, text = frame.source, frame.source.text_of(call)
    index = source.text_of(node)
    new = applied(source, node, f"unsqueeze({dim})")
    if reads:
        before, _, after = text.rpartition(index)
        yield 0, partial(edits.replace, source, [(call, f"{before}{new}{after}.squeeze({dim})")])
    yield 1, partial(edits.replace, source, [(node, new)])


def _index(call: ast.Call) -> ast.expr | None:
    """Return the index of `x.scatter_(dim, index, ...)` or `torch.scatter(x, dim, index, ...)`."""
    is_torch = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "torch"
    return argument(call, "index", 2 if is_torch else 1)
