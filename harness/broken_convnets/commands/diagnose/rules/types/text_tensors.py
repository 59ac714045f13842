"""Class names become numbers before they become a tensor."""

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
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]
MAKES = {"tensor", "as_tensor", "from_numpy", "Tensor", "LongTensor", "FloatTensor"}
MESSAGES = ("too many dimensions 'str'", "numpy.str_", "numpy.object_", "(got str)")


@rule(
    "a tensor is made of numbers, not of text",
    stays_quiet="unless every item is a string",
)
def text_as_tensor(evidence: Evidence) -> Iterator[Finding]:
    """Find torch.tensor() of class names, or of numbers that were read as text."""
    frame = require_failure(evidence, ValueError, TypeError)
    call = frame.call
    if call is None or called_name(call) not in MAKES or not call.args:
        return
    texts = _texts(frame, call.args[0])
    if not texts or not any(part in evidence.message for part in MESSAGES):
        return
    distinct, text = sorted(set(texts)), shortened(frame.source.text_of(call.args[0]))
    number = _numeric(distinct)
    advice = f"convert each with {number}()" if number else "give each name a number"
    yield Finding(
        kind="data/string_labels",
        message=f"`{text}` are strings, and a tensor has only numbers",
        evidence=f"{len(texts)} strings, {len(distinct)} of them different, such as "
        f"{', '.join(map(repr, distinct[:3]))}: {advice}",
        cause=frame_location(frame),
        subject=text,
        cases=("data/string_labels",),
        candidates=candidates(*_attempts(frame, call, number)),
        confidence=10,
    )


def _texts(frame: UserFrame, node: ast.expr) -> list[str]:
    """Return the strings of a list, a tuple or an array; empty if there is anything else."""
    value = frame.value(node)
    if type(value).__name__ in {"ndarray", "Series"}:
        value = value.tolist()  # type: ignore[attr-defined]  # of both
    if isinstance(node, ast.List | ast.Tuple):
        value = [one.value if isinstance(one, ast.Constant) else None for one in node.elts]
    items = list(value) if isinstance(value, list | tuple) else []
    return items if all(isinstance(one, str) for one in items) else []


def _numeric(texts: list[str]) -> str:
    """Return the type that reads all of the texts as numbers; empty if none does."""
    for convert in (int, float):
        try:
            for text in texts:
                convert(text)
        except ValueError:
            continue
        return convert.__name__
    return ""


def _attempts(frame: UserFrame, call: ast.Call, number: str) -> Iterator[Attempt]:
    source, node = frame.source, call.args[0]
    text = source.text_of(node)
    each = f"{number}(text)" if number else f"sorted(set({text})).index(text)"
    changes: list[tuple[ast.expr | ast.stmt, str]] = [(node, f"[{each} for text in {text}]")]
    if called_name(call) == "from_numpy" and isinstance(call.func, ast.Attribute):
        changes.append((call.func, f"{source.text_of(call.func.value)}.tensor"))
    yield 0, partial(edits.replace, source, changes)
