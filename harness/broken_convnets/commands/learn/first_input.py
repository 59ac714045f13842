"""Observe what the first layer with parameters receives, and judge integer inputs as floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from broken_convnets.commands.learn.probes import FIRST_INPUT
from broken_convnets.observe.facts import InputSummary
from broken_convnets.observe.laws.registry import CHECKS, judge_one
from broken_convnets.observe.trees import map_tensors, tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.remote.subject import RemoteProgram
    from broken_convnets.observe.subject import Subject

IMAGE_DIMENSIONS = 3  # or more: the first two are samples and channels
KEPT = 0.9  # of the distinct values; float32 rounds a few of float64 to the same


def first_input(program: RemoteProgram) -> InputSummary | None:
    """Return a summary of what the first layer with parameters receives.

    None if it is empty, or if different values of the inputs became equal: a scaling keeps them
    apart. It says nothing of the number of parameters.
    """
    inputs = program.inputs()
    found = tensors(program.build().call(FIRST_INPUT, *inputs))
    if not found or not found[0].numel() or not found[0].double().isfinite().all():
        return None
    if _distinct(found[0]) < KEPT * _distinct(tensors(inputs)[0]):
        return None
    values = found[0].detach()
    numbers = values.double()
    channels = numbers.flatten(2).mean(dim=(0, 2)) if values.ndim >= IMAGE_DIMENSIONS else None
    return InputSummary(
        inputs=f"{str(values.dtype).removeprefix('torch.')}{list(values.shape)}",
        low=float(numbers.min()),
        high=float(numbers.max()),
        channels=channels.tolist() if channels is not None else [],
        parameters=(0, 0),
    )


def _distinct(values: torch.Tensor) -> int:
    return len(values.detach().double().unique())


def is_nonlinear(program: RemoteProgram) -> bool | None:
    """Judge the law `nonlinear` with the inputs as float32; None if they are of floats anyway."""
    if all(tensor.is_floating_point() for tensor in tensors(program.inputs())):
        return None
    return judge_one(CHECKS[Law.NONLINEAR], cast("Subject", _FloatInputs(program))).holds


class _FloatInputs:
    """A program whose inputs are converted to float32."""

    def __init__(self, program: RemoteProgram) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def inputs(self, batch_size: int | None = None) -> Any:
        return map_tensors(self._program.inputs(batch_size), torch.Tensor.float)
