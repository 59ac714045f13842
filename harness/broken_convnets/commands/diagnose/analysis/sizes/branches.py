"""The layers on the way to each operand of an operator, since the value that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain, main_input

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Construction, Operator
    from broken_convnets.observe.recorder.values import Value

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


@dataclass(frozen=True)
class Step:
    """One layer of torch on the way to a value, and where it is constructed."""

    layer: nn.Module
    construction: Construction | None
    operator: Operator


@dataclass(frozen=True)
class Branch:
    """What leads from a shared value to an operand, the last layer first.

    `start` is the shared value; None if the operands share none.
    """

    value: Value
    start: Value | None
    operators: tuple[Operator, ...]
    steps: tuple[Step, ...]

    @property
    def convolutions(self) -> list[Step]:
        """The convolutions, transposed ones left out."""
        return [step for step in self.steps if isinstance(step.layer, Convolution)]

    @property
    def transposed(self) -> list[Step]:
        """The transposed convolutions."""
        return [step for step in self.steps if isinstance(step.layer, Transposed)]

    @property
    def stride(self) -> int:
        """The product of the strides of the convolutions."""
        product = 1
        for step in self.convolutions:
            product *= int(step.layer.stride[0])
        return product


def branches(record: Record, left: Value, right: Value) -> tuple[Branch, Branch]:
    """Return the two branches that lead to two operands."""
    shared = _shared(record, left, right)
    return _branch(record, left, shared), _branch(record, right, shared)


def _values(record: Record, value: Value) -> list[Value]:
    found = [value]
    for operator in chain(record, value):
        before = main_input(operator)
        found += [before] if before is not None else []
    return found


def _shared(record: Record, left: Value, right: Value) -> Value | None:
    known = set(_values(record, right))
    return next((value for value in _values(record, left) if value in known), None)


def _branch(record: Record, value: Value, start: Value | None) -> Branch:
    operators: list[Operator] = []
    if value is not start:
        for operator in chain(record, value):
            operators.append(operator)
            if main_input(operator) is start:
                break
    return Branch(value, start, tuple(operators), tuple(steps_of(record, operators)))


def steps_of(record: Record, operators: list[Operator]) -> list[Step]:
    """Return the layers of torch among operators, in the same order."""
    steps: list[Step] = []
    for operator in operators:
        module = operator.owner() if operator.owner else None
        if module is not None and type(module).__module__.startswith("torch.nn"):
            steps.append(Step(module, construction_of(record, module), operator))
    return steps


def keeps_size(layer: nn.Module) -> bool:
    """Return whether a convolution of stride 1 returns the size that it receives."""
    if isinstance(layer.padding, str):
        return layer.padding == "same"
    kernel, padding, dilation = layer.kernel_size[0], layer.padding[0], layer.dilation[0]
    return 2 * int(padding) == int(dilation) * (int(kernel) - 1)
