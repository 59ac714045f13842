"""The samples of a dataset can be collated: tensors of one size, and never None."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import attribute_assignments
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.returns import source_of_none
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.batches import (
    failed_batch,
    item_method,
    shape_of,
)
from broken_convnets.commands.diagnose.rules.loaders.converters import to_tensor_calls
from broken_convnets.commands.diagnose.rules.loaders.object_counts import objects_per_image
from broken_convnets.commands.diagnose.rules.loaders.windows import windows_past_the_end
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.returns import Callee
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
CHANNELS = {1, 3, 4}


@rule(
    "a dataset returns no None",
    stays_quiet="about batches of worker processes",
)
def sample_is_none(evidence: Evidence) -> Iterator[Finding]:
    """Find samples, or parts of them, that are None when a DataLoader collates them."""
    frame = require_failure(evidence, TypeError)
    batch = failed_batch(evidence)
    empty = [(n, place) for n, place, value in batch.leaves() if value is None] if batch else []
    if batch is None or not empty:
        return
    method = item_method(evidence, batch)
    ending = source_of_none(evidence, method) if method else None
    stored = _stored(evidence, batch.dataset, method) if method and not ending else None
    cause, attempts = frame_location(frame), list[Attempt]()
    if ending is not None:
        last = ending.function.body[-1]
        cause = Location(ending.source.path, last.end_lineno or last.lineno)
        attempts = list(_returned(ending, last))
    elif stored is not None:
        cause = Location(stored[0].path, stored[1].lineno)
        attempts = list(_filtered(*stored))
    elif method is not None:
        cause = Location(method.source.path, method.function.lineno)
    name = type(batch.dataset).__name__
    yield Finding(
        kind="none/dataset_returns_none",
        message=f"{name} returns None for {len({n for n, _ in empty})} of "
        f"{len(batch.samples)} samples of the batch",
        evidence=f"sample {empty[0][0]} of the batch{' at ' + empty[0][1] if empty[0][1] else ''} "
        "is None, which cannot be collated",
        cause=cause,
        symptom=frame_location(frame),
        subject=name,
        cases=("none/dataset_returns_none",),
        candidates=candidates(*attempts),
        confidence=10,
    )


def _returned(ending: Callee, last: ast.stmt) -> Iterator[Attempt]:
    """Yield the change that returns what `__getitem__` has computed last."""
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name | ast.Tuple):
        text = ending.source.text_of(last.targets[0])
        yield 0, partial(edits.insert_after, ending.source, last, f"return {text}")
    if isinstance(last, ast.Expr) and not isinstance(last.value, ast.Constant):
        text = f"return {ending.source.text_of(last.value)}"
        yield 0, partial(edits.replace, ending.source, [(last, text)])


def _stored(evidence: Evidence, dataset: object, method: Callee) -> tuple[Source, ast.expr] | None:
    """Return the expression of the collection that `__getitem__` reads, as self.images[index]."""
    for node in ast.walk(method.function):
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Attribute):
            continue
        for source in class_sources(evidence, dataset):
            for _, _, value in attribute_assignments(source, dataset, node.value.attr):
                return source, value
    return None


def _filtered(source: Source, value: ast.expr) -> Iterator[Attempt]:
    text = f"[item for item in {source.text_of(value)} if item is not None]"
    yield 0, partial(edits.replace, source, [(value, text)])


@rule(
    "the images of a dataset are tensors when a DataLoader collates them",
    stays_quiet="about samples of tensors, arrays, numbers and strings",
)
def image_not_converted(evidence: Evidence) -> Iterator[Finding]:
    """Find PIL images in a batch."""
    frame = require_failure(evidence, TypeError)
    batch = failed_batch(evidence)
    images = [v for _, _, v in batch.leaves() if _is_image(v)] if batch else []
    if batch is None or not images:
        return
    method = item_method(evidence, batch)
    returned = method.returned[0] if method and method.returned else None
    name = type(batch.dataset).__name__
    yield Finding(
        kind="data/pil_not_tensor",
        message=f"{name} returns PIL images, which a DataLoader cannot collate",
        evidence=f"the first is {type(images[0]).__name__} {getattr(images[0], 'size', '')}: "
        "convert it with ToTensor() or pil_to_tensor()",
        cause=Location(method.source.path, returned.lineno)
        if method and returned
        else frame_location(frame),
        symptom=frame_location(frame),
        subject=name,
        cases=("data/pil_images_in_dataloader",),
        candidates=_as_tensors(method, returned) if method and returned else (),
        confidence=10,
    )


def _is_image(value: object) -> bool:
    return any(one.__module__.startswith("PIL.") for one in type(value).__mro__)


def _as_tensors(method: Callee, returned: ast.Return) -> tuple[Candidate, ...]:
    value = returned.value
    if value is None:
        return ()
    part = value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value
    text = method.source.text_of(part)
    return candidates(
        *(
            (rank, partial(edits.replace, method.source, [(part, call)]))
            for rank, call in enumerate(to_tensor_calls(method.scope.world, text))
        )
    )


@rule(
    "the tensors of a batch have one size",
    stays_quiet="about batches that a collate function of the program puts together",
)
def samples_of_unequal_size(evidence: Evidence) -> Iterator[Finding]:
    """Find images of several sizes or channels, and sequences of several lengths, in one batch."""
    frame = require_failure(evidence, RuntimeError)
    batch = failed_batch(evidence)
    if batch is None:
        return
    for place, values in batch.columns().items():
        shapes = list(dict.fromkeys(shape_of(value) for value in values))
        if len(shapes) < 2 or None in shapes:  # noqa: PLR2004  (unequal)
            continue
        sizes = [shape for shape in shapes if shape is not None]
        known = objects_per_image(evidence, batch, place, sizes)
        known = known or windows_past_the_end(evidence, batch, place)
        if known is not None:
            yield known
            return
        channels = _differ_in_channels(sizes)
        found = next(_producers(evidence, channels=channels), None)
        method = item_method(evidence, batch)
        cause = frame_location(frame)
        if found is not None:
            cause = Location(found[0].path, found[1].lineno)
        elif method is not None and method.returned:
            cause = Location(method.source.path, method.returned[0].lineno)
        what = "channels" if channels else "sizes"
        name = type(batch.dataset).__name__
        where = f" at {place}" if place else ""
        listed = ", ".join(str(list(shape or ())) for shape in shapes[:4])
        yield Finding(
            kind="data/stack_unequal",
            message=f"the samples of {name} have different {what}, so they cannot be one batch",
            evidence=f"shapes in one batch{where}: {listed}",
            cause=cause,
            symptom=frame_location(frame),
            subject=f"{name}{place}",
            cases=(
                "data/grayscale_image_in_rgb_batch"
                if channels
                else "data/resize_keeps_aspect_ratio",
            ),
            candidates=candidates(*_equal(evidence, channels=channels)),
            confidence=10,
        )
        return


def _differ_in_channels(shapes: list[tuple[int, ...]]) -> bool:
    """Return whether images have the same size, and 1, 3 or 4 channels."""
    if any(len(shape) != 3 for shape in shapes):  # noqa: PLR2004  (channels, height, width)
        return False
    for axis in (0, 2):
        rest = {tuple(s for i, s in enumerate(shape) if i != axis) for shape in shapes}
        if len(rest) == 1 and {shape[axis] for shape in shapes} <= CHANNELS:
            return True
    return False


def _producers(evidence: Evidence, *, channels: bool) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls that open images, or that resize one side of them."""
    for source in evidence.user_sources:
        for node in source.expressions:
            if not isinstance(node, ast.Call):
                continue
            if channels and source.text_of(node.func).endswith("Image.open"):
                yield source, node
            sized = len(node.args) == 1 and not isinstance(node.args[0], ast.Tuple | ast.List)
            if not channels and called_name(node) in {"Resize", "resize"} and sized:
                yield source, node


def _equal(evidence: Evidence, *, channels: bool) -> Iterator[Attempt]:
    for source, call in _producers(evidence, channels=channels):
        if channels:
            text = f'{source.text_of(call)}.convert("RGB")'
            yield 0, partial(edits.replace, source, [(call, text)])
        else:
            size = source.text_of(call.args[0])
            yield 0, partial(edits.replace, source, [(call.args[0], f"({size}, {size})")])
