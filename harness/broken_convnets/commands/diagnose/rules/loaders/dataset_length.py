"""A dataset is not longer than the data that it reads."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch.utils.data import Dataset

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.sizes.arithmetic import evaluate
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a dataset has data for every index below its length",
    stays_quiet="about indices that `__getitem__` computes from more than its own index",
)
def dataset_longer_than_data(evidence: Evidence) -> Iterator[Finding]:
    """Find a `__len__` that returns more than `__getitem__` can read."""
    frame = require_failure(evidence, IndexError)
    read, dataset = frame.expression, frame.scope.lookup("self")
    if not isinstance(read, ast.Subscript) or not _reads_a_sample(frame, dataset):
        return
    held, ahead = _length(frame.value(read.value)), _steps_ahead(frame, read)
    returned = returned_length(frame.source, read)
    if held is None or ahead is None or returned is None:
        return
    text, length = frame.source.text_of(read.value), len(dataset)  # type: ignore[arg-type]  # it has `__len__`
    if length <= held - ahead:
        return
    needs = f", and sample i reads number i + {ahead}" if ahead else ""
    wanted = f"len({text})" + (f" - {ahead}" if ahead else "")
    yield Finding(
        kind="data",
        message=f"{type(dataset).__name__} says that it has {length} samples, and `{text}` "
        f"has {held} items",
        evidence=f"a DataLoader asks for every index below `__len__`{needs}",
        cause=location_in(frame.source, returned),
        symptom=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.replace, frame.source, [(returned, wanted)]))),
        confidence=10,
    )


def _reads_a_sample(frame: UserFrame, dataset: object) -> bool:
    function = frame.function
    return (
        isinstance(dataset, Dataset)
        and function is not None
        and function.name == "__getitem__"
        and len(function.args.args) > 1
    )


def _length(data: object) -> int | None:
    try:
        return len(data)  # type: ignore[arg-type]  # what has no length raises TypeError
    except TypeError:
        return None


def _steps_ahead(frame: UserFrame, read: ast.Subscript) -> int | None:
    """Return how far the index that is read is beyond the index of the sample; None if unknown."""
    name = frame.function.args.args[1].arg if frame.function else ""
    index = frame.scope.lookup(name)
    if not isinstance(index, int):
        return None
    place = evaluate(read.slice, {name: index})
    return place - index if place is not None and place >= index else None


def returned_length(source: Source, node: ast.AST) -> ast.expr | None:
    """Return what the only `return` in `__len__` returns, of the class around a node."""
    owner = source.class_of(node)
    for function in owner.body if owner else []:
        if isinstance(function, ast.FunctionDef) and function.name == "__len__":
            found = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
            return found[0] if len(found) == 1 else None
    return None
