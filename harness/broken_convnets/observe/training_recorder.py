"""What a run does with its network in training and inference, read from a record."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from broken_convnets.observe.modes import modal_layers
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.subject import PassFacts, StepFacts, TrainingFacts
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from broken_convnets.observe.recorder import Record
    from broken_convnets.observe.recorder.passes import ForwardPass

RECORDED = Options(calls=True, modes=True, gradients=True)


def record_training(net: nn.Module, run: Callable[[], Any]) -> TrainingFacts:
    """Return what `run()` does with `net`; raises whatever it raises."""
    before = dict(net.named_parameters())
    values = {name: parameter.detach().clone() for name, parameter in before.items()}
    with Recorder(RECORDED, net) as recorder, _moved_by_optimizers(net) as moved:
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
            if name in before
            and (
                torch.equal(values[name], parameter)
                or (parameter is before[name] and name not in moved)
            )
        ],
    )


@contextmanager
def _moved_by_optimizers(net: nn.Module) -> Iterator[set[str]]:
    """Yield the names of the parameters that a step of an optimizer has changed so far."""
    moved: set[str] = set()
    old: dict[str, torch.Tensor] = {}

    def before(*_: object) -> None:
        old.update((name, one.detach().clone()) for name, one in net.named_parameters())

    def after(*_: object) -> None:
        moved.update(
            name
            for name, one in net.named_parameters()
            if name in old and not torch.equal(old[name], one)
        )

    hooks = register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)
    try:
        yield moved
    finally:
        for hook in hooks:
            hook.remove()


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
