"""Laws of training and inference: what a run does with gradients, its loss and memory."""

from __future__ import annotations

import functools
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from broken_convnets.observe.laws.registry import LawBrokenError, all_close, law
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import map_tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import (
        Network,
        Subject,
        TrainingFacts,
        Values,
    )

LEARNING_STEPS = 500  # a last layer on random features can need more than 200


@law(Law.ONE_BATCH_CAN_BE_LEARNED)
def _one_batch_can_be_learned(subject: Subject) -> None:
    """Adam with a rate of 0.01 and no decay, at most LEARNING_STEPS, in train mode.

    A second network decides if the first one does not learn: in a small one, the initial weights
    can leave a ReLU without a gradient.
    """
    net = subject.build()
    why = _reason_not_to_learn(subject, net)
    if why:
        with suppress(NotApplicableError):  # it cannot be constructed anew
            why = _reason_not_to_learn(subject, subject.build(subject.seed + 1)) and why
    if why:
        raise LawBrokenError(why)


def _reason_not_to_learn(subject: Subject, net: Network) -> str:
    """Return the losses between which a network stays; empty if it learns.

    It learns if the loss is low twice in a row, since a loss without a floor passes there on its
    way below zero. It stops at a loss of NaN: Adam has set every parameter to NaN.
    """
    inputs, targets = subject.inputs(), subject.targets()
    optimizer = net.adam(0.01)
    first = loss = loss_of(subject, net, inputs, targets)
    learned = steps = 0
    while steps < LEARNING_STEPS and not math.isnan(loss):
        learned = learned + 1 if 0 <= loss < first / 10 else 0
        if learned > 1:
            return ""
        optimizer.step()
        loss = loss_of(subject, net, inputs, targets)
        steps += 1
    return f"{steps} steps lower the loss only from {first:.3g} to {loss:.3g}"


@law(Law.LOSS_AVERAGES_OVER_SAMPLES)
def _loss_averages_over_samples(subject: Subject) -> None:
    if recorded(subject).steps:
        message = "the run changes the network between its losses"
        raise NotApplicableError(message)
    inputs, targets = subject.inputs(4), subject.targets(4)
    batch = loss_of(subject, subject.build().eval(), inputs, targets)
    alone = [
        loss_of(subject, subject.build().eval(), *map_tensors((inputs, targets), _sample(index)))
        for index in range(4)
    ]
    mean = sum(alone) / len(alone)
    if abs(batch - mean) > 1e-3 * max(1.0, abs(mean)):
        message = f"the batch has a loss of {batch:.3g}, its samples have a mean of {mean:.3g}"
        raise LawBrokenError(message)


@law(Law.GRADIENTS_ARE_FRESH)
def _gradients_are_fresh(subject: Subject) -> None:
    for number, step in enumerate(stepping(subject).steps, start=1):
        if step.stale:
            message = f"at step {number}, {step.stale[0]} holds gradients of an earlier backward"
            raise LawBrokenError(message)


@law(Law.EVERY_PARAMETER_MOVES)
def _every_parameter_moves(subject: Subject) -> None:
    for name in stepping(subject).unchanged:
        message = f"{name} did not change during the run"
        raise LawBrokenError(message)


@law(Law.INFERENCE_BUILDS_NO_GRAPH)
def _inference_builds_no_graph(subject: Subject) -> None:
    run = recorded(subject)
    if run.has_backward:
        message = "the run calls backward"
        raise NotApplicableError(message)
    if run.result_requires_grad:
        message = "the result requires gradients, though no backward follows"
        raise LawBrokenError(message)


@law(Law.LEARNING_RATE_PER_EPOCH)
def _learning_rate_per_epoch(subject: Subject) -> None:
    """Compare the last learning rates of runs with few and with many samples."""
    rates = [step.learning_rates for step in stepping(subject).steps]
    if len(set(rates)) == 1:
        message = "the learning rate is constant"
        raise NotApplicableError(message)
    few, many = (
        subject.build().recorded_run(subject.inputs(size), subject.targets(size)).steps[-1]
        for size in (8, 24)
    )
    if any(
        not math.isclose(one, other, rel_tol=1e-6)
        for one, other in zip(few.learning_rates, many.learning_rates, strict=True)
    ):
        message = "three times as many samples end with another learning rate"
        raise LawBrokenError(message)


@law(Law.RESULTS_REPEAT)
def _results_repeat(subject: Subject) -> None:
    if recorded(subject).has_backward:
        message = "the run calls backward"
        raise NotApplicableError(message)
    net, inputs, targets = subject.build(), subject.inputs(), subject.targets()
    first, second = (_numbers(net.run(inputs, targets)) for _ in range(2))
    if not all_close(first, second):
        message = "the result differs when the run is repeated"
        raise LawBrokenError(message)


@law(Law.MEMORY_FLAT)
def _memory_flat(subject: Subject) -> None:
    if not recorded(subject).has_backward:
        message = "the run calls no backward"
        raise NotApplicableError(message)
    short, long = (
        subject.build().graph_size(subject.inputs(size), subject.targets(size)) for size in (8, 24)
    )
    if long > short:
        message = f"a run of 8 samples leaves {short} nodes of the graph, one of 24 leaves {long}"
        raise LawBrokenError(message)


def _numbers(result: Any) -> list[torch.Tensor]:
    """Return the tensors and numbers inside a result, as tensors of their own."""
    leaves, _ = pytree.tree_flatten(result)
    return [
        torch.as_tensor(leaf).detach().clone()
        for leaf in leaves
        if isinstance(leaf, (torch.Tensor, int, float))
    ]


def _sample(index: int) -> Any:
    return lambda tensor: tensor[index : index + 1]


def loss_of(subject: Subject, net: Network, inputs: Values, targets: Values) -> float:
    """Return the result of a run as a number; it must be a loss, and there must be targets."""
    subject.require_targets()
    subject.require_run()
    loss = net.run(inputs, targets)
    if not isinstance(loss, torch.Tensor) or loss.ndim or not loss.is_floating_point():
        message = "the program does not return its loss"
        raise NotApplicableError(message)
    return float(loss)


@functools.cache  # seven laws read the same run
def _record(subject: Subject) -> TrainingFacts:
    net = subject.build()
    inputs, targets = subject.inputs(), subject.targets()
    return net.recorded_run(inputs, targets)


def recorded(subject: Subject) -> TrainingFacts:
    """Return what the run does; raises NotApplicableError if there is no run."""
    subject.require_run()
    return _record(subject)


def stepping(subject: Subject) -> TrainingFacts:
    """Return what the run does; raises NotApplicableError if it steps no optimizer."""
    run = recorded(subject)
    if not run.steps:
        message = "the run steps no optimizer"
        raise NotApplicableError(message)
    return run
