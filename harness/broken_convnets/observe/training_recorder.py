"""What a run does with its network in training and inference, read from a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.modes import modal_layers
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.subject import PassFacts, StepFacts, TrainingFacts
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from broken_convnets.observe.recorder import Record
    from broken_convnets.observe.recorder.passes import ForwardPass

RECORDED = Options(calls=True, modes=True, gradients=True)


def record_training(net: nn.Module, run: Callable[[], Any]) -> TrainingFacts:
    """Return what `run()` does with `net`; raises whatever it raises."""
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    with Recorder(RECORDED, net) as recorder:
        result = run()
    steps, passes_after = read_steps(net, recorder.record)
    return TrainingFacts(
        modal=bool(modal_layers(net)),
        steps=steps,
        passes_after=passes_after,
        has_backward=any(one.received for one in recorder.record.backward_passes),
        result_requires_grad=any(tensor.requires_grad for tensor in tensors(result)),
        unchanged=[
            name
            for name, parameter in net.named_parameters()
            if name in before and torch.equal(before[name], parameter)
        ],
    )


def read_steps(net: nn.Module, record: Record) -> tuple[list[StepFacts], list[PassFacts]]:
    """Return the optimizer steps of a record, and the passes of `net` after the last one."""
    passes = [one for one in record.passes if one.network() is net and one.whole]
    steps, begin = [], 0
    for step in record.optimizer_steps:
        end = step.moment.forward_passes
        between = [_facts(one) for one in passes if begin <= one.moment.forward_passes < end]
        stale = [parameter.name for parameter in record.left_over(step)]
        steps.append(StepFacts(between, stale, step.learning_rates))
        begin = end
    return steps, [_facts(one) for one in passes if one.moment.forward_passes >= begin]


def _facts(one: ForwardPass) -> PassFacts:
    return PassFacts(one.modes, one.grad_enabled)
