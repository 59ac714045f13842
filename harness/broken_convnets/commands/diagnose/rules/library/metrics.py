"""Metrics receive what they accept, and top-k asks for no more classes than there are."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import failed_operator
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.failure import library_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

LIBRARIES = ("torchmetrics", "sklearn", "torcheval")


@rule(
    "top-k asks for no more classes than there are",
    stays_quiet="about other operators",
)
def topk_beyond_classes(evidence: Evidence) -> Iterator[Finding]:
    """Find topk() with k beyond the size of the dimension."""
    frame = require_failure(evidence, RuntimeError, IndexError)
    operator = failed_operator(evidence)
    if operator is None or operator.name != "topk" or not operator.inputs:
        return
    k = operator.literals.get(1, operator.literals.get("k"))
    axis = operator.literals.get(2, operator.literals.get("dim", -1))
    shape = operator.inputs[0].shape
    size = shape[axis] if isinstance(axis, int) and shape else 0
    if not isinstance(k, int) or k <= size:
        return
    method = frame.call and isinstance(frame.call.func, ast.Attribute)
    torch_function = method and frame.call and frame.source.text_of(frame.call.func) == "torch.topk"
    node = argument(frame.call, "k", 1 if torch_function else 0) if frame.call else None
    text = frame.source.text_of(node) if node else str(k)
    new = f"min({text}, {size})"
    yield Finding(
        kind="loss/topk_exceeds_classes",
        message=f"topk asks for the best {k} of {size} values",
        evidence=f"the tensor has shape {list(shape)}: k can be at most {size}",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.replace, frame.source, [(node, new)])))
        if node
        else (),
        confidence=10,
    )


@rule(
    "a metric receives predictions and targets of the kind that it accepts",
    stays_quiet="about libraries other than torchmetrics, torcheval and scikit-learn",
)
def metric_refuses_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find arguments that a library of metrics refuses."""
    frame = require_failure(evidence, ValueError, RuntimeError, TypeError)
    inner = library_frame(evidence.error) if evidence.error else None
    library = next((n for n in LIBRARIES if inner and f"/{n}/" in inner.filename), "")
    if not library or frame.call is None:
        return
    arguments = [
        f"`{shortened(frame.source.text_of(node), 30)}` is {_described(frame.value(node))}"
        for node in frame.call.args
    ]
    text = shortened(frame.source.text_of(frame.call))
    origin = origin_of(evidence, 0, frame.call.args[0]) if frame.call.args else None
    made = f" ({shortened(origin.source.text_of(origin.node))})" if origin else ""
    yield Finding(
        kind="loss/target_dtype",
        message=f"{library} refuses the arguments of `{text}`",
        evidence=f"{'; '.join(arguments)}{made}",
        cause=frame_location(frame),
        subject=text,
        confidence=7,
    )


def _described(value: object) -> str:
    shape = getattr(value, "shape", None)
    dtype = str(getattr(value, "dtype", "")).removeprefix("torch.")
    return f"{dtype}{list(shape)}" if shape is not None else f"a {type(value).__name__}"
