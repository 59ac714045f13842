"""Predictions are compared with labels in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.observe.recorder.comparisons import SHUFFLING
from broken_convnets.observe.recorder.dataset_facts import stored_labels
from broken_convnets.observe.recorder.values import ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.comparisons import Comparison
    from broken_convnets.observe.recorder.loaders import Epoch, Loader
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

JOINS = frozenset({"cat", "concat", "concatenate", "hstack", "vstack", "stack"})
# Operators that turn the scores of each sample into its prediction.
DECISIONS = TRANSPARENT | {"argmax", "max", "softmax", "sigmoid", "round", "gt", "__gt__", "ge"}
STEPS = 12
SHOWN = 5  # indices


@dataclass(frozen=True)
class Shuffled:
    """A comparison of labels in the order of a dataset with predictions in that of an epoch."""

    comparison: Comparison
    loader: Loader
    epoch: Epoch


@rule(
    "predictions and the labels they are compared with have the same order",
    stays_quiet="unless predictions for all batches of a shuffling loader are joined and compared "
    "with the labels that its dataset holds, in their order",
)
def predictions_are_shuffled(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.cat(predictions) == dataset.targets` for a loader with shuffle=True."""
    for comparison in evidence.record.content_facts.comparisons:
        found = _shuffled(evidence, comparison)
        if found is not None:
            yield _finding(evidence, found)
            return


def _finding(evidence: Evidence, found: Shuffled) -> Finding:
    operator, drawn = found.comparison.operator, found.epoch.indices[:SHOWN]
    trains = any(
        value in evidence.flow.reaching_backward for batch in found.epoch.values for value in batch
    )
    places = operator.places if trains or not found.loader.places else found.loader.places
    return Finding(
        kind="data/pairs_out_of_order",
        message="predictions in the shuffled order of a loader are compared with labels in the "
        "order of its dataset",
        evidence=f"the loader drew the samples {', '.join(map(str, drawn))}, ... and the labels "
        f"that {operator.places[0].text if operator.places else operator.name} compares are those "
        f"of the samples 0, 1, 2, ...: of {len(found.epoch.indices)} pairs, only those that "
        "agree by chance are right; collect the labels of the batches too, or do not shuffle",
        cause=location(places),
        symptom=location(operator.places),
        subject=operator.places[0].text if operator.places else "",
        candidates=() if trains else _in_order(evidence, found.loader),
        confidence=9,
    )


def _in_order(evidence: Evidence, loader: Loader) -> tuple[Candidate, ...]:
    site = site_of(evidence, loader.places)
    if site is None:
        return ()
    change = partial(edits.set_argument, site.source, site.call, "shuffle", 2, "False")
    return candidates((0, change))


def _shuffled(evidence: Evidence, comparison: Comparison) -> Shuffled | None:
    """Return the epoch whose predictions a comparison has in another order than the labels."""
    for position, predictions in enumerate(comparison.operator.inputs):
        joined = _joined(evidence, predictions)
        labels = comparison.contents[1 - position]
        for loader in evidence.record.loaders if joined is not None else ():
            if loader.sampler != SHUFFLING or labels not in stored_labels(loader.data):
                continue
            for epoch in loader.epochs:
                drawn = [labels[i] for i in epoch.indices if i < len(labels)]
                is_whole = sorted(epoch.indices) == list(range(len(labels)))
                if joined and is_whole and drawn != labels and _comes_from(evidence, joined, epoch):
                    return Shuffled(comparison, loader, epoch)
    return None


def _joined(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that joins predictions, if nothing rearranges them afterwards."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or operator.name in JOINS:
            return operator
        if operator.name not in DECISIONS or len(operator.inputs) != 1:
            return None
        value = operator.inputs[0]
    return None


def _comes_from(evidence: Evidence, joined: Operator, epoch: Epoch) -> bool:
    """Return whether the first parts were computed by a network from the batches of an epoch."""
    parts = joined.inputs[: len(epoch.values)]
    if len(joined.inputs) < min(epoch.batches, ITEMS) or epoch.batches < 2 or not epoch.values:  # noqa: PLR2004  (parts)
        return False
    for part, batch in zip(parts, epoch.values, strict=False):
        behind = evidence.flow.ancestors([part])
        if behind.isdisjoint(batch) or behind.isdisjoint(evidence.flow.network_outputs):
            return False
    return True
