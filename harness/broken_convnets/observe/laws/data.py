"""Laws of the data around a network: loaders and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, generator, law
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject

ALIKE = 0.01  # of the distance of two random samples: next to no randomness of their own
REPEATS = 3  # of a comparison, since a random transform can agree by chance


@law(Law.EPOCHS_DIFFER)
def _epochs_differ(subject: Subject) -> None:
    """Read two epochs; samples are identified by their values."""
    subject.require("example_loader")
    first, second = (
        [one for batch in batches for one in _fingerprints(batch)]
        for batches in subject.read("epochs", 2)
    )
    if any(len(set(order)) != len(order) for order in (first, second)):
        message = "an epoch contains a sample twice"
        raise LawBrokenError(message)
    if first == second:
        message = "two epochs have the samples in the same order"
        raise LawBrokenError(message)


@law(Law.WORKERS_DIFFER)
def _workers_differ(subject: Subject) -> None:
    """Let two workers read the same sample, in the loader's own setup."""
    subject.require("example_loader")
    workers, twice, by_two = subject.read("workers")
    if not workers:
        message = "the loader has no workers"
        raise NotApplicableError(message)
    if _equal(*twice):
        message = "the dataset draws no random numbers"
        raise NotApplicableError(message)
    if _distance(*by_two) < ALIKE * _distance(*twice):
        message = "two workers return the same random values for one sample"
        raise LawBrokenError(message)


@law(Law.SPLITS_DISJOINT)
def _splits_disjoint(subject: Subject) -> None:
    """Compare the indices into the whole dataset: transforms may change the samples."""
    subject.require("example_split")
    indices = subject.read("split_indices")
    if not indices:
        message = "the training set and the validation set are not Subsets"
        raise NotApplicableError(message)
    training, validation = indices
    common = {*training} & {*validation}
    if common:
        message = f"the training set and the validation set have {len(common)} samples in common"
        raise LawBrokenError(message)


@law(Law.VALIDATION_REPEATS)
def _validation_repeats(subject: Subject) -> None:
    subject.require("example_split")
    for number, (first, *others) in enumerate(subject.read("validation", 2 * REPEATS)):
        if not all(_equal(first, other) for other in others):
            message = f"sample {number} of the validation set differs when it is read again"
            raise LawBrokenError(message)


@law(Law.PERFECT_SCORES_ONE)
def _perfect_scores_one(subject: Subject) -> None:
    """Ask for the score of invented outputs, all right or all wrong for the subject's targets.

    They have the shape of outputs in eval mode: in training, some networks return others too.
    """
    subject.require("score")
    (targets,) = subject.targets()
    (outputs,) = tensors(subject.build().eval().forward(subject.inputs()))
    invent = _logits if _is_binary(outputs) else _one_hot
    right, wrong = invent(outputs, targets, generator(subject))
    for answers, wanted in ((right, 1.0), (wrong, 0.0)):
        score = float(subject.call("score", answers, targets))
        if abs(score - wanted) > 1e-6:  # noqa: PLR2004  (rounding of a mean)
            message = f"the score is {score:g} if every answer is {bool(wanted)}"
            raise LawBrokenError(message)


def _is_binary(outputs: torch.Tensor) -> bool:
    return outputs.ndim == 1 or bool(outputs.shape[1] == 1)


def _logits(
    outputs: torch.Tensor, targets: torch.Tensor, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one logit per sample, on the right side of 0 and on the wrong side."""
    sizes = 1 + torch.rand(outputs.shape, generator=random)
    right = (targets.float() - 0.5).reshape(outputs.shape) * sizes
    return right, -right


def _one_hot(
    outputs: torch.Tensor, targets: torch.Tensor, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores of the classes that are highest for the right class, and for the next one."""
    classes = outputs.shape[1]
    right, wrong = (
        torch.nn.functional.one_hot(labels, classes).movedim(-1, 1)
        + 0.5 * torch.rand(outputs.shape, generator=random)
        for labels in (targets, (targets + 1) % classes)
    )
    return right, wrong


def _fingerprints(batch: object) -> list[float]:
    sample = tensors(batch)[0]
    return [float(x) for x in sample.double().flatten(1).norm(dim=1)]


def _distance(first: object, second: object) -> float:
    pairs = zip(tensors(first), tensors(second), strict=True)
    return sum(float((one.double() - other.double()).norm()) for one, other in pairs)


def _equal(first: object, second: object) -> bool:
    pairs = zip(tensors(first), tensors(second), strict=True)
    return all(bool(torch.equal(one, other)) for one, other in pairs)
