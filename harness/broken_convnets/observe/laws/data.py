"""Laws of the data around a network: loaders and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Subset

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject

REPEATS = 3  # of a comparison, since a random transform can agree by chance


@law(Law.EPOCHS_DIFFER)
def _epochs_differ(subject: Subject) -> None:
    """Read two epochs; samples are identified by their values."""
    loader = subject.call("example_loader")
    first, second = ([one for batch in loader for one in _fingerprints(batch)] for _ in range(2))
    if any(len(set(order)) != len(order) for order in (first, second)):
        message = "an epoch contains a sample twice"
        raise LawBrokenError(message)
    if first == second:
        message = "two epochs have the samples in the same order"
        raise LawBrokenError(message)


@law(Law.WORKERS_DIFFER)
def _workers_differ(subject: Subject) -> None:
    """Let two workers read the same sample, in the loader's own setup."""
    loader = subject.call("example_loader")
    if not loader.num_workers:
        message = "the loader has no workers"
        raise NotApplicableError(message)
    if _equal(*(loader.dataset[0] for _ in range(2))):
        message = "the dataset draws no random numbers"
        raise NotApplicableError(message)
    first, second = DataLoader(
        loader.dataset, sampler=[0, 0], num_workers=2, worker_init_fn=loader.worker_init_fn
    )
    if _equal(first, second):
        message = "two workers return the same random values for one sample"
        raise LawBrokenError(message)


@law(Law.SPLITS_DISJOINT)
def _splits_disjoint(subject: Subject) -> None:
    """Compare the indices into the whole dataset: transforms may change the samples."""
    training, validation = subject.call("example_split")
    if not all(isinstance(part, Subset) for part in (training, validation)):
        message = "the training set and the validation set are not Subsets"
        raise NotApplicableError(message)
    common = {*training.indices} & {*validation.indices}
    if common:
        message = f"the training set and the validation set have {len(common)} samples in common"
        raise LawBrokenError(message)


@law(Law.VALIDATION_REPEATS)
def _validation_repeats(subject: Subject) -> None:
    _, validation = subject.call("example_split")
    for number in [number for number in range(len(validation)) for _ in range(REPEATS)]:
        if not _equal(validation[number], validation[number]):
            message = f"sample {number} of the validation set differs when it is read again"
            raise LawBrokenError(message)


@law(Law.PERFECT_SCORES_ONE)
def _perfect_scores_one(subject: Subject) -> None:
    """Ask for the score of invented outputs, all right or all wrong for the subject's targets."""
    subject.require("score")
    (targets,) = subject.targets()
    (outputs,) = tensors(subject.build().forward(subject.inputs()))
    right, wrong = _logits(outputs, targets) if _is_binary(outputs) else _one_hot(outputs, targets)
    for answers, wanted in ((right, 1.0), (wrong, 0.0)):
        score = float(subject.call("score", answers, targets))
        if abs(score - wanted) > 1e-6:  # noqa: PLR2004  (rounding of a mean)
            message = f"the score is {score:g} if every answer is {bool(wanted)}"
            raise LawBrokenError(message)


def _is_binary(outputs: torch.Tensor) -> bool:
    return outputs.ndim == 1 or bool(outputs.shape[1] == 1)


def _logits(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one logit per sample, far on the right side of 0 and far on the wrong side."""
    right = (targets.float() - 0.5).reshape(outputs.shape) * 20
    return right, -right


def _one_hot(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    classes = outputs.shape[1]
    right, wrong = (
        torch.nn.functional.one_hot(labels, classes).movedim(-1, 1).float()
        for labels in (targets, (targets + 1) % classes)
    )
    return right, wrong


def _fingerprints(batch: object) -> list[float]:
    sample = tensors(batch)[0]
    return [float(x) for x in sample.double().flatten(1).norm(dim=1)]


def _equal(first: object, second: object) -> bool:
    pairs = zip(tensors(first), tensors(second), strict=True)
    return all(bool(torch.equal(one, other)) for one, other in pairs)
