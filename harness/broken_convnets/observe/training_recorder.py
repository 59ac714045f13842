"""What a run does with its network in training and inference, read from a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broken_convnets.observe.recorder import Options, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from broken_convnets.observe.recorder import Record
    from broken_convnets.observe.recorder.passes import ForwardPass

RECORDED = Options(calls=True, modes=True, gradients=True)


@dataclass(frozen=True)
class Step:
    """An optimizer step: the forward passes since the last one, and stale gradients by name."""

    passes: list[ForwardPass]
    stale: list[str]


@dataclass(frozen=True)
class TrainingRun:
    """The passes, backward passes and optimizer steps of one run of a network."""

    net: nn.Module
    result: Any
    steps: list[Step]
    passes_after: list[ForwardPass]  # that no step has followed
    has_backward: bool  # one that reached a parameter

    @property
    def passes(self) -> list[ForwardPass]:
        """All forward passes."""
        return [one for step in self.steps for one in step.passes] + self.passes_after


def record_training(net: nn.Module, run: Callable[[nn.Module], Any]) -> TrainingRun:
    """Return what `run(net)` does; raises whatever it raises."""
    with Recorder(RECORDED, net) as recorder:
        result = run(net)
    return read_training(net, result, recorder.record)


def read_training(net: nn.Module, result: Any, record: Record) -> TrainingRun:
    """Return what a record says of the training of `net`."""
    passes = [one for one in record.passes if one.network() is net and one.whole]
    steps, begin = [], 0
    for step in record.optimizer_steps:
        end = step.moment.forward_passes
        between = [one for one in passes if begin <= one.moment.forward_passes < end]
        steps.append(Step(between, [parameter.name for parameter in record.left_over(step)]))
        begin = end
    after = [one for one in passes if one.moment.forward_passes >= begin]
    trains = any(backward.received for backward in record.backward_passes)
    return TrainingRun(net, result, steps, after, trains)
