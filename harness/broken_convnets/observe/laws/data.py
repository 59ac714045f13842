"""Laws of the data around a network: loaders and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject


@law(Law.EPOCHS_DIFFER)
def _epochs_differ(subject: Subject) -> None:
    """Read two epochs; samples are identified by their values."""
    first, second = (
        [sample for batch in epoch for sample in _fingerprints(batch)]
        for epoch in subject.epochs(2)
    )
    if any(len(set(order)) != len(order) for order in (first, second)):
        message = "an epoch contains a sample twice"
        raise LawBrokenError(message)
    if first == second:
        message = "two epochs have the samples in the same order"
        raise LawBrokenError(message)


@law(Law.PERFECT_SCORES_ONE)
def _perfect_scores_one(subject: Subject) -> None:
    """Ask for the score of invented outputs, all right or all wrong for the subject's targets."""
    subject.require_score()
    (targets,) = subject.targets()
    (outputs,) = tensors(subject.build().forward(subject.inputs()))
    classes = outputs.shape[1]
    right = torch.nn.functional.one_hot(targets, classes).movedim(-1, 1).float()
    wrong = torch.nn.functional.one_hot((targets + 1) % classes, classes).movedim(-1, 1).float()
    for answers, wanted in ((right, 1.0), (wrong, 0.0)):
        score = subject.score(answers, targets)
        if abs(score - wanted) > 1e-6:  # noqa: PLR2004  (rounding of a mean)
            message = f"the score is {score:g} if every answer is {bool(wanted)}"
            raise LawBrokenError(message)


def _fingerprints(batch: object) -> list[float]:
    sample = tensors(batch)[0]
    return [float(x) for x in sample.double().flatten(1).norm(dim=1)]
