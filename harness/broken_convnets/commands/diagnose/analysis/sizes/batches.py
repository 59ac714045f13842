"""Explain batches whose samples differ in size, and batches of one sample."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.images import converted
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.edits import insert_before, replace, set_argument
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Loader

CHANNELS = {1, 3, 4}


def stack_explanation(
    evidence: Evidence, failed: FailedCall, first: tuple[int, ...], second: tuple[int, ...]
) -> Explanation:
    """Explain why two tensors that are stacked differ."""
    source = evidence.source(failed.places[0].file)
    call = source.call_at(failed.places[0]) if source else None
    own = call is not None and called_name(call) == "stack"
    if own and source and call and first[1:] == second[1:]:
        changed = partial(replace, source, [(call.func, _cat(source, call))])
        return Explanation(
            "data/last_partial_batch",
            ranked((0, "", [changed])),
            "they differ in dimension 0 alone, as the last batch of an epoch does: "
            "torch.cat joins along it",
            cases=("data/stacked_last_partial_batch",),
        )
    if (
        len(first) == len(second) > 1
        and first[1:] == second[1:]
        and {first[0], second[0]} <= CHANNELS
    ):
        return _of_channels(evidence, first, second)
    resizes = list(_resizes(evidence))
    changes = [partial(replace, found, [(node, text)]) for found, node, text in resizes]
    cause = Location(resizes[0][0].path, resizes[0][1].lineno) if resizes else None
    return Explanation(
        "data/stack_unequal",
        ranked((0, "", changes)),
        "Resize(n) sets the smaller side and keeps the aspect ratio"
        if resizes
        else "the samples need one size, by cropping, resizing or padding",
        cases=("data/resize_keeps_aspect_ratio",),
        cause=cause,
    )


def _cat(source: Source, call: ast.Call) -> str:
    return source.text_of(call.func).removesuffix("stack") + "cat"


def _of_channels(
    evidence: Evidence, first: tuple[int, ...], second: tuple[int, ...]
) -> Explanation:
    changes = list(converted(evidence))
    return Explanation(
        "data/stack_unequal",
        ranked((0, "one kind of images", changes)),
        f"some images have {first[0]} channels and others {second[0]}",
        cases=("data/grayscale_image_in_rgb_batch",),
        cause=next(_openings(evidence), None),
    )


def _openings(evidence: Evidence) -> Iterator[Location]:
    for source in evidence.user_sources:
        for node in source.expressions:
            if isinstance(node, ast.Call) and called_name(node) == "open" and "PIL" in source.text:
                yield Location(source.path, node.lineno)


def _resizes(evidence: Evidence) -> Iterator[tuple[Source, ast.expr, str]]:
    """Yield the sizes of Resize(n), and the text that resizes both sides."""
    for source in evidence.user_sources:
        for node in source.expressions:
            if not isinstance(node, ast.Call) or called_name(node) not in {"Resize", "resize"}:
                continue
            size = argument(node, "size", 0 if called_name(node) == "Resize" else 1)
            if isinstance(size, ast.Constant | ast.Name | ast.Attribute):
                text = source.text_of(size)
                yield source, size, f"({text}, {text})"


def single_value_explanation(evidence: Evidence, failed: FailedCall) -> Explanation:
    """Explain a batch of one in train mode: the rest of an epoch, or inference without eval()."""
    loader = _loader(evidence)
    stepped = bool(evidence.record.optimizer_steps.count or evidence.record.built_optimizers)
    evaluated = list(_evaluated(evidence, failed))
    if loader is not None:
        read, site, where = loader
        text = (
            f"the last batch of an epoch has one sample: {read.dataset.length} samples are read in "
            f"batches of {read.batch_size}"
        )
        drop = partial(set_argument, site.source, site.call, "drop_last", None, "True")
        return Explanation(
            "shape/batchnorm_single_value",
            ranked((0, "", [drop]), (LATER, "", evaluated)),
            text,
            cases=("batch/batchnorm_single_value",),
            cause=where,
        )
    norm = _group_norm(evidence, failed)
    return Explanation(
        "shape/batchnorm_single_value",
        ranked((LATER if stepped else 0, "", evaluated), (LATER + 1, "", norm)),
        "the batch has one sample, and one value for each channel is left of it",
        cases=("batch/batchnorm_single_value",),
        cause=None,
    )


def _loader(evidence: Evidence) -> tuple[Loader, Site, Location] | None:
    """Return the loader read last that leaves one sample at its end, and its constructor."""
    read = [loader for loader in evidence.record.loaders if loader.epochs]
    for one in sorted(read, key=lambda loader: loader.epochs[-1].moment.operators, reverse=True):
        site = site_of(evidence, one.places)
        size, length = one.batch_size or 1, one.dataset.length or 0
        if site is not None and size > 1 and length % size == 1 and not one.drop_last:
            return one, site, Location(site.source.path, site.call.lineno)
    return None


def _evaluated(evidence: Evidence, failed: FailedCall) -> Iterator[Change]:
    """Yield the change that switches the network to eval mode before it is called."""
    latest = evidence.record.last_pass
    site = site_of(evidence, latest.places[:1]) if latest else None
    if site is not None and latest is not None and latest.places[0] in failed.places:
        yield partial(insert_before, site.source, site.statement, f"{site.called}.eval()")


def _group_norm(evidence: Evidence, failed: FailedCall) -> list[partial[Patch]]:
    """Return the change to a norm that needs no batch."""
    site = constructor(evidence, failed.construction)
    channels = getattr(failed.layer, "num_features", None)
    if site is None or channels is None:
        return []
    prefix = site.called.rpartition(".")[0]
    rank = len(failed.received[0].shape)
    text = f"GroupNorm(1, {channels})" if rank > 2 else f"LayerNorm({channels})"  # noqa: PLR2004  (batch and channels)
    return [partial(replace, site.source, [(site.call, f"{prefix}.{text}".lstrip("."))])]
