"""Laws of the data around a network: loaders and metrics."""

from __future__ import annotations

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, NotApplicableError, law
from broken_convnets.observe.program import Program, tensors
from broken_convnets.vocabulary import Law


@law(Law.EPOCHS_DIFFER)
def _epochs_differ(program: Program) -> None:
    """Read two epochs of `example_loader()`; samples are told apart by their values."""
    if not program.has("example_loader"):
        message = "the program has no loader"
        raise NotApplicableError(message)
    loader = program.call("example_loader")
    first, second = ([_fingerprints(batch) for batch in loader] for _ in range(2))
    orders = [[sample for batch in epoch for sample in batch] for epoch in (first, second)]
    if any(len(set(order)) != len(order) for order in orders):
        message = "an epoch gives a sample twice"
        raise LawBrokenError(message)
    if orders[0] == orders[1]:
        message = "two epochs give the samples in the same order"
        raise LawBrokenError(message)


@law(Law.PERFECT_SCORES_ONE)
def _perfect_scores_one(program: Program) -> None:
    """Call `score(outputs, targets)` with the program's targets and made-up outputs."""
    if not program.has("score"):
        message = "the program has no score"
        raise NotApplicableError(message)
    (targets,) = program.targets()
    (outputs,) = tensors(program.forward(program.net(), *program.inputs()))
    classes = outputs.shape[1]
    right = torch.nn.functional.one_hot(targets, classes).movedim(-1, 1).float()
    wrong = torch.nn.functional.one_hot((targets + 1) % classes, classes).movedim(-1, 1).float()
    for given, wanted in ((right, 1.0), (wrong, 0.0)):
        score = float(program.call("score", given, targets))
        if abs(score - wanted) > 1e-6:  # noqa: PLR2004  (rounding of a mean)
            message = f"the score is {score:g} where every answer is {bool(wanted)}"
            raise LawBrokenError(message)


def _fingerprints(batch: object) -> list[float]:
    sample = tensors(batch)[0]
    return [float(x) for x in sample.double().flatten(1).norm(dim=1)]
