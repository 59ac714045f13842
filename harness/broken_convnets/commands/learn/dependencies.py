"""Find out what a run's result depends on, by changing one parameter or sample at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.laws.registry import TOLERANCE
from broken_convnets.observe.trees import detached, map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.remote.subject import RemoteProgram

SAMPLES = 10
# Added to a parameter, times noise. A class index needs a large step to change.
STEPS = (0.5, 4.0, 32.0)
ROUNDING = 1e-6  # of float32, relative to the largest value


def dependencies(program: RemoteProgram) -> tuple[list[str], list[str]]:
    """Return the parameters, input samples and target samples that change a run's result.

    The second list also has those that change it by less than the laws compare, such as a sample
    that acts through a step of the optimizer.
    """
    inputs, targets = program.inputs(SAMPLES), program.targets(SAMPLES)
    result = result_of(program, inputs, targets)
    clearly, slightly = [], []
    for name, others in _changed_results(program, inputs, targets):
        largest = _largest(_difference(result, other) for other in others)
        if largest > TOLERANCE:
            clearly.append(name)
        if largest > ROUNDING:
            slightly.append(name)
    return clearly, slightly


def _largest(sizes: Iterator[float]) -> float:
    """Return the largest size; stop at the first one that is a clear difference."""
    largest = 0.0
    for size in sizes:
        largest = max(largest, size)
        if largest > TOLERANCE:
            break
    return largest


def _changed_results(
    program: RemoteProgram, inputs: tuple[Any, ...], targets: tuple[Any, ...]
) -> Iterator[tuple[str, Iterator[list[torch.Tensor]]]]:
    """Yield what is changed, and the results of runs with it changed."""
    for name in program.build().parameters():
        yield name, (result_of(program, inputs, targets, (name, step)) for step in STEPS)
    for kind, values in (("inputs", inputs), ("targets", targets)):
        for index, other in _neighbours(values):
            changed = map_tensors(values, _with_sample(index, other))
            given = (changed, targets) if kind == "inputs" else (inputs, changed)
            yield f"sample {index} of the {kind}", iter([result_of(program, *given)])


def result_of(
    program: RemoteProgram,
    inputs: tuple[Any, ...],
    targets: tuple[Any, ...],
    moved: tuple[str, float] | None = None,
) -> list[torch.Tensor]:
    """Run with a copy of the data, which a run may modify, and with one parameter moved."""
    net = program.build()
    if moved:
        name, step = moved
        generator = torch.Generator().manual_seed(0)  # the facts of a program repeat
        shape = net.parameters()[name].shape
        net.shift({name: torch.randn(shape, generator=generator)}, step)
    result = program.seeded_run(net, detached(inputs), detached(targets))
    return tensors(result) or [torch.tensor(float(result))]


def _difference(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """Return the largest difference, relative to the largest value, or to one if that is less."""
    if [tensor.shape for tensor in one] != [tensor.shape for tensor in other]:
        return math.inf
    return max(map(_largest_difference, one, other), default=0.0)


def _largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    if not one.numel():
        return 0.0
    one, other = one.detach().double(), other.detach().double()
    if torch.equal(one.isnan(), other.isnan()) and not (one.isfinite() & other.isfinite()).all():
        return 0.0 if torch.equal(one.nan_to_num(), other.nan_to_num()) else math.inf
    return float(
        (one - other).abs().nan_to_num(math.inf).max() / max(1.0, float(other.abs().max()))
    )


def _neighbours(values: tuple[Any, ...]) -> list[tuple[int, int]]:
    """Pair each sample with the nearest one that differs from it."""
    rows = [
        tensor.double().reshape(SAMPLES, -1)
        for tensor in tensors(values)
        if tensor.ndim and len(tensor) == SAMPLES
    ]
    if not rows:
        return []
    table = torch.cat(rows, dim=1)
    apart = torch.cdist(table, table)
    apart[apart == 0] = torch.inf
    nearest = apart.min(dim=1)
    return [
        (index, int(other))
        for index, (distance, other) in enumerate(zip(nearest.values, nearest.indices, strict=True))
        if distance.isfinite()
    ]


def _with_sample(index: int, other: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.ndim or len(tensor) != SAMPLES:
            return tensor
        tensor = tensor.clone()
        tensor[index] = tensor[other]
        return tensor

    return change
