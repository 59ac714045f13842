"""An accuracy or a mean loss counts all samples that it is divided by."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.loss.counters import (
    assigned_value,
    right_answers,
    scope_of,
)
from broken_convnets.commands.diagnose.rules.loss.loss_reset import totals_of_losses
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument, called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.rules.loss.counters import Division, RightAnswers
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

WHOLE = frozenset({"SequentialSampler", "RandomSampler"})  # they draw all samples


@rule(
    "an accuracy is divided by the number of samples that were read",
    stays_quiet="unless it is divided by the length of the dataset of a DataLoader, and about "
    "DistributedSampler",
)
def accuracy_leaves_samples_out(evidence: Evidence) -> Iterator[Finding]:
    """Find `right / len(dataset)` where drop_last or a break leaves samples out."""
    require_success(evidence)
    for count in right_answers(evidence):
        loader, epoch = _read_by(evidence, count)
        if loader is None or epoch is None or loader.sampler == "DistributedSampler":
            continue
        read, length = epoch.batches * (loader.batch_size or 0), loader.dataset.length or 0
        divisions = [d for d in count.divisions if _is_length(evidence, count, d, loader)]
        if not 0 < read < length or not divisions:
            continue
        divisor = count.source.text_of(divisions[0].divisor)
        dropped = loader.drop_last and epoch.batches == length // (loader.batch_size or 1)
        how = _how(loader, dropped=dropped)
        yield Finding(
            kind="loss/broadcast_metric",
            message=f"{count.name} counts {read} samples, and is divided by the {length} of "
            f"`{divisor}`",
            evidence=f"the loop reads {epoch.batches} batches of {loader.batch_size}, and {how}: "
            f"the accuracy can be {read / length:.3g} at most",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location(loader.places)
            if dropped and not _is_training(evidence, loader)
            else location_in(count.source, divisions[0].node),
            symptom=location_in(count.source, divisions[0].node),
            subject=count.source.text_of(divisions[0].node),
            candidates=_fixes(evidence, loader, count, divisions[0]) if dropped else (),
            confidence=7,
        )


@rule(
    "a sum of losses of samples is divided by the number of samples that the sampler draws",
    stays_quiet="unless it is divided by the length of the dataset of a DataLoader, about "
    "DistributedSampler, and where only drop_last or a break leaves samples out",
)
def loss_of_sampled_part(evidence: Evidence) -> Iterator[Finding]:
    """Find `total / len(loader.dataset)` where a sampler draws only a part of the dataset."""
    require_success(evidence)
    for total in totals_of_losses(evidence):
        loader, epoch = _read_by(evidence, total)
        if loader is None or epoch is None or loader.sampler in {*WHOLE, "DistributedSampler"}:
            continue
        read, length = epoch.batches * (loader.batch_size or 0), loader.dataset.length or 0
        divisions = [d for d in total.divisions if _is_length(evidence, total, d, loader)]
        if not 0 < read < length or not divisions or not _is_weighted(total):
            continue
        divisor, drawn = divisions[0].divisor, f"len({total.batches}.sampler)"
        attempt = partial(edits.replace, total.source, [(divisor, drawn)])
        yield Finding(
            kind="loss/broadcast_metric",
            message=f"{total.name} adds up the losses of {read} samples, and is divided by the "
            f"{length} of `{total.source.text_of(divisor)}`",
            evidence=f"{loader.sampler} draws {epoch.batches} batches of {loader.batch_size}, so "
            f"the mean loss is reported {length / read:.3g} times too small; {drawn} is the "
            "number of samples that it draws",
            cause=location_in(total.source, divisions[0].node),
            subject=total.source.text_of(divisions[0].node),
            candidates=candidates((0, attempt)),
            confidence=7,
        )


def _is_weighted(total: RightAnswers) -> bool:
    """Return whether mean losses are multiplied by the number of samples before they are added."""
    parts = ast.walk(total.comparison)
    return any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) for n in parts)


def _how(loader: Loader, *, dropped: bool) -> str:
    if dropped:
        return "drop_last=True drops the rest"
    return (
        "the loop ends before the rest"
        if loader.sampler in WHOLE
        else f"{loader.sampler} draws no others"
    )


def _read_by(evidence: Evidence, count: RightAnswers) -> tuple[Loader | None, Epoch | None]:
    """Return the loader that the loop of a count iterates over, and its longest epoch there."""
    if count.loop is None:
        return None, None
    header = range(count.loop.lineno, count.loop.body[0].lineno + 1)
    found = [
        (epoch.batches, number, loader, epoch)
        for number, loader in enumerate(evidence.record.loaders)
        for epoch in loader.epochs
        if any(p.file == count.source.path and p.line in header for p in epoch.places[:1])
    ]
    if len({number for _, number, _, _ in found}) != 1:
        return None, None
    _, _, loader, epoch = max(found, key=lambda one: one[0])
    return loader, epoch


def _is_length(evidence: Evidence, count: RightAnswers, division: Division, loader: Loader) -> bool:
    """Return whether a divisor is the length of the dataset of a loader."""
    divisor = division.divisor
    if isinstance(divisor, ast.Name):
        divisor = assigned_value(divisor, count.scope) or divisor
    if not isinstance(divisor, ast.Call) or called_name(divisor) != "len" or not divisor.args:
        return False
    measured = count.source.text_of(divisor.args[0])
    site = site_of(evidence, loader.places)
    dataset = argument(site.call, "dataset", 0) if site else None
    given = ""
    if site is not None and dataset is not None:
        scope = scope_of(site.source, site.call)
        known = isinstance(scope, ast.Module) or scope is count.scope
        known = known or isinstance(dataset, ast.Attribute)
        given = site.source.text_of(dataset) if known else ""
    return measured in {f"{count.batches}.dataset", given}


def _is_training(evidence: Evidence, loader: Loader) -> bool:
    return any(trains(evidence, epoch) for epoch in loader.epochs)


def _fixes(
    evidence: Evidence, loader: Loader, count: RightAnswers, division: Division
) -> tuple[Candidate, ...]:
    """Return the change that keeps the last batch of a validation, or counts what was read."""
    site = site_of(evidence, loader.places)
    read = f"(len({count.batches}) * {count.batches}.batch_size)"
    rank = 1 if not _is_training(evidence, loader) else 0
    attempts = [(rank, partial(edits.replace, count.source, [(division.divisor, read)]))]
    if site is not None and rank:
        keep = partial(edits.set_argument, site.source, site.call, "drop_last", 8, "False")
        return candidates((0, keep), *attempts)
    return candidates(*attempts)
