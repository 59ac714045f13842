"""A DataLoader is iterated; it is neither an iterator itself nor a sequence."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch.utils.data import DataLoader

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
MESSAGES = ("is not an iterator", "is not subscriptable")


@rule(
    "the batches of a DataLoader are read with a loop or with iter()",
    stays_quiet="about loaders of other libraries",
)
def loader_is_no_iterator(evidence: Evidence) -> Iterator[Finding]:
    """Find `next(loader)` and `loader[0]`."""
    frame = require_failure(evidence, TypeError)
    node, own = _read(frame.expression)
    loader = frame.value(own) if own is not None else None
    if node is None or own is None or not evidence.message.endswith(MESSAGES):
        return
    if not isinstance(loader, DataLoader):
        return
    text, name = frame.source.text_of(own), type(loader).__name__
    indexed = isinstance(node, ast.Subscript)
    yield Finding(
        kind="data",
        message=f"`{text}` is a {name}, which has no index: it yields its batches in a loop"
        if indexed
        else f"`{text}` is a {name}, not an iterator: iter() makes one",
        evidence=f"it has {_amount(loader)}; `next(iter({text}))` reads the first of them",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates(*_attempts(frame.source, node, text, loader)),
        confidence=10,
    )


def _read(node: ast.expr | None) -> tuple[ast.Call | ast.Subscript | None, ast.expr | None]:
    """Return `next(loader)` or `loader[0]`, and the loader in it."""
    if isinstance(node, ast.Subscript):
        return node, node.value
    is_next = isinstance(node, ast.Call) and ast.unparse(node.func) == "next"
    if isinstance(node, ast.Call) and is_next and node.args:
        return node, node.args[0]
    return None, None


def _amount(loader: DataLoader[object]) -> str:
    try:
        return f"{len(loader)} batches"
    except TypeError:
        return "batches"


def _attempts(
    source: Source, node: ast.Call | ast.Subscript, text: str, loader: DataLoader[object]
) -> Iterator[Attempt]:
    if isinstance(node, ast.Call):
        yield 0, partial(edits.replace, source, [(node.args[0], f"iter({text})")])
        return
    index = source.text_of(node.slice)
    first = index == "0" and loader.batch_size is not None
    yield 0 if first else 1, partial(edits.replace, source, [(node, f"next(iter({text}))")])
    yield 1 if first else 0, partial(edits.replace, source, [(node.value, f"{text}.dataset")])
