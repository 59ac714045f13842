"""Laws of train mode and eval mode, and of the statistics that change in one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.observe.laws.training import recorded, stepping
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import PassFacts, Subject, TrainingFacts

STATISTICS = ("running_mean", "running_var")


@law(Law.TRAINS_IN_TRAIN_MODE)
def _trains_in_train_mode(subject: Subject) -> None:
    run = stepping(subject)
    _need_modes(run)
    if not any(one.grad_enabled for step in run.steps for one in step.passes):
        message = "the run calls only parts of the network before its steps"
        raise NotApplicableError(message)
    for number, step in enumerate(run.steps, start=1):
        if any(False in one.modes for one in step.passes if one.grad_enabled):
            message = f"step {number} follows a forward pass in eval mode"
            raise LawBrokenError(message)
    _need_new_statistics(subject)


def _need_new_statistics(subject: Subject) -> None:
    """Raise LawBrokenError if a training changes no running statistics.

    A network that only claims to be in train mode leaves them as they are.
    """
    net = subject.build()
    before = net.buffers()
    net.run(subject.inputs(), subject.targets())
    frozen = set(net.frozen)
    statistics = {
        name: value
        for name, value in net.buffers().items()
        if name.endswith(STATISTICS) and name.rpartition(".")[0] not in frozen and name in before
    }
    if statistics and all(torch.equal(before[name], new) for name, new in statistics.items()):
        message = "the training leaves all running statistics as they were"
        raise LawBrokenError(message)


@law(Law.INFERS_IN_EVAL_MODE)
def _infers_in_eval_mode(subject: Subject) -> None:
    run = recorded(subject)
    _need_modes(run)
    passes = _inference(run)
    if not passes:
        message = "every forward pass is followed by a backward"
        raise NotApplicableError(message)
    if any(True in one.modes for one in passes):
        message = "a forward pass that no backward follows is in train mode"
        raise LawBrokenError(message)


@law(Law.STATISTICS_STAY)
def _statistics_stay(subject: Subject) -> None:
    net = subject.build().eval()
    before = net.buffers()
    if not before:
        message = "the network has no buffers"
        raise NotApplicableError(message)
    net.forward(subject.inputs())
    _need_equal(before, net.buffers(), "a forward pass in eval mode")
    net = subject.build()
    before = net.buffers()
    net.run(subject.inputs(), subject.targets())
    for path in net.frozen:  # after the run: it may be the run that freezes
        _need_equal(before, net.buffers(path), f"{path}, frozen,")


def _inference(run: TrainingFacts) -> list[PassFacts]:
    if not run.has_backward:
        return run.passes
    return [one for one in run.passes if not one.grad_enabled]


def _need_modes(run: TrainingFacts) -> None:
    if not run.modal:
        message = "no layer depends on train/eval mode"
        raise NotApplicableError(message)


def _need_equal(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], what: str) -> None:
    if not all(torch.equal(before[name], value) for name, value in after.items()):
        message = f"{what} changes running statistics"
        raise LawBrokenError(message)
