"""Laws of training and inference: what a run does with gradients, modes and its loss."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, NotApplicableError, law
from broken_convnets.observe.modes import is_frozen, modal_layers
from broken_convnets.observe.program import Program, map_tensors, tensors
from broken_convnets.observe.training_recorder import TrainingRun, record_training
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.observe.recorder.passes import ForwardPass

LEARNING_STEPS = 500  # a last layer on random features can need more than 200


@law(Law.ONE_BATCH_CAN_BE_LEARNED)
def _one_batch_can_be_learned(program: Program) -> None:
    """Adam with a rate of 0.01 and no decay, at most LEARNING_STEPS, in train mode.

    Twice in a row, since a loss without a floor passes there on its way below zero. NaN is the
    end: from there Adam makes every parameter NaN.
    """
    net, inputs, targets = program.net(), program.inputs(), program.targets()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    first = loss = _loss(program, net, inputs, targets)
    learned = steps = 0
    while steps < LEARNING_STEPS and not math.isnan(loss):
        learned = learned + 1 if 0 <= loss < first / 10 else 0
        if learned > 1:
            return
        optimizer.step()
        optimizer.zero_grad()
        loss = _loss(program, net, inputs, targets)
        steps += 1
    message = f"{steps} steps take the loss from {first:.3g} to {loss:.3g} only"
    raise LawBrokenError(message)


@law(Law.LOSS_AVERAGES_OVER_SAMPLES)
def _loss_averages_over_samples(program: Program) -> None:
    if _recorded(program).steps:
        message = "the run changes the network between its losses"
        raise NotApplicableError(message)
    inputs, targets = program.inputs(4), program.targets(4)
    batch = _loss(program, program.net().eval(), inputs, targets)
    alone = [
        _loss(program, program.net().eval(), *map_tensors((inputs, targets), _sample(index)))
        for index in range(4)
    ]
    mean = sum(alone) / len(alone)
    if abs(batch - mean) > 1e-3 * max(1.0, abs(mean)):
        message = f"the batch has a loss of {batch:.3g}, its samples have a mean of {mean:.3g}"
        raise LawBrokenError(message)


@law(Law.GRADIENTS_ARE_FRESH)
def _gradients_are_fresh(program: Program) -> None:
    for number, step in enumerate(_stepping(program).steps, start=1):
        if step.stale:
            message = f"at step {number}, {step.stale[0]} holds gradients of an earlier backward"
            raise LawBrokenError(message)


@law(Law.EVERY_PARAMETER_MOVES)
def _every_parameter_moves(program: Program) -> None:
    before = program.net().state_dict()
    net = _stepping(program).net
    for name, parameter in net.named_parameters():
        if name in before and torch.equal(before[name], parameter):
            message = f"{name} is after the run what it was before"
            raise LawBrokenError(message)


@law(Law.TRAINS_IN_TRAIN_MODE)
def _trains_in_train_mode(program: Program) -> None:
    run = _stepping(program)
    _need_modes(run)
    for number, step in enumerate(run.steps, start=1):
        if any(False in one.modes for one in step.passes if one.grad_enabled):
            message = f"step {number} follows a forward pass in eval mode"
            raise LawBrokenError(message)


@law(Law.INFERS_IN_EVAL_MODE)
def _infers_in_eval_mode(program: Program) -> None:
    run = _recorded(program)
    _need_modes(run)
    passes = _inference(run)
    if not passes:
        message = "every forward pass is followed by a backward"
        raise NotApplicableError(message)
    if any(True in one.modes for one in passes):
        message = "a forward pass that no backward follows is in train mode"
        raise LawBrokenError(message)


@law(Law.INFERENCE_BUILDS_NO_GRAPH)
def _inference_builds_no_graph(program: Program) -> None:
    run = _recorded(program)
    if run.has_backward:
        message = "the run calls backward"
        raise NotApplicableError(message)
    if any(tensor.requires_grad for tensor in tensors(run.result)):
        message = "what the run gives requires gradients, though no backward follows"
        raise LawBrokenError(message)


@law(Law.STATISTICS_STAY)
def _statistics_stay(program: Program) -> None:
    net = program.net().eval()
    if not list(net.buffers()):
        message = "the network has no buffers"
        raise NotApplicableError(message)
    before = [buffer.clone() for buffer in net.buffers()]
    program.forward(net, *program.inputs())
    _need_equal(before, list(net.buffers()), "a forward pass in eval mode")
    net = program.net()
    # After the run: it may be the run that freezes.
    was = {name: buffer.clone() for name, buffer in net.named_buffers()}
    program.run(net, program.inputs(), program.targets())
    for path, layer in net.named_modules():
        if is_frozen(layer):
            now = dict(layer.named_buffers(prefix=path))
            _need_equal([was[name] for name in now], list(now.values()), f"{path}, frozen,")


@law(Law.MEMORY_FLAT)
def _memory_flat(program: Program) -> None:
    if not _recorded(program).has_backward:
        message = "the run calls no backward"
        raise NotApplicableError(message)
    short, long = (
        _graph_size(program.run(program.net(), program.inputs(size), program.targets(size)))
        for size in (8, 24)
    )
    if long > short:
        message = f"a run of 8 samples leaves {short} nodes of the graph, one of 24 leaves {long}"
        raise LawBrokenError(message)


def _sample(index: int) -> Any:
    return lambda tensor: tensor[index : index + 1]


def _loss(
    program: Program, net: nn.Module, inputs: tuple[Any, ...], targets: tuple[Any, ...]
) -> float:
    """Return what the run gives as a number; it must be one, and there must be targets."""
    if not program.has_targets:
        message = "the program has no targets"
        raise NotApplicableError(message)
    _need_run(program)
    loss = program.run(net, inputs, targets)
    if not isinstance(loss, torch.Tensor) or loss.ndim or not loss.is_floating_point():
        message = "the program does not return its loss"
        raise NotApplicableError(message)
    return float(loss)


@functools.cache  # seven laws read the same run
def _record(program: Program) -> TrainingRun:
    net = program.net()  # first: inputs and targets seed the run
    inputs, targets = program.inputs(), program.targets()
    return record_training(net, lambda net: program.run(net, inputs, targets))


def _recorded(program: Program) -> TrainingRun:
    _need_run(program)
    return _record(program)


def _stepping(program: Program) -> TrainingRun:
    run = _recorded(program)
    if not run.steps:
        message = "the run steps no optimizer"
        raise NotApplicableError(message)
    return run


def _inference(run: TrainingRun) -> list[ForwardPass]:
    if not run.has_backward:
        return run.passes
    return [one for one in run.passes if not one.grad_enabled]


def _need_run(program: Program) -> None:
    if not program.has_run:
        message = "the program has no run"
        raise NotApplicableError(message)


def _need_modes(run: TrainingRun) -> None:
    if not modal_layers(run.net):
        message = "no layer depends on train/eval mode"
        raise NotApplicableError(message)


def _need_equal(before: list[torch.Tensor], after: list[torch.Tensor], what: str) -> None:
    if not all(torch.equal(a, b) for a, b in zip(before, after, strict=True)):
        message = f"{what} changes running statistics"
        raise LawBrokenError(message)


def _graph_size(result: object) -> int:
    """Return how many nodes of the autograd graph hang on a result."""
    seen: set[Any] = set()
    waiting = [tensor.grad_fn for tensor in tensors(result) if tensor.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions if following is not None]
    return len(seen)
