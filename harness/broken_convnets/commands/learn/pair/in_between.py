"""Compare what a program does in between with what the fix does there: laws see the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.trees import map_tensors, tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.remote.subject import RemoteProgram
    from broken_convnets.observe.subject import Values

FEW, SIZES = 8, range(24, 61, 4)  # samples: a graph is old after two passes, and batches are large
TIMES = 3  # as many batches in an epoch
RATE = 0.1  # relative difference of two learning rates
FACTORS = (1.0, 4.0, 16.0)  # times the parameters: large gradients
MOST_GRADIENT = 3.0  # times the fix's, at the first step of a run that clips
LEAST_BEND = 0.05  # of how far the fix is from an affine function
DRAWS = 3
GRAPHS = {Law.MEMORY_FLAT, Law.INFERENCE_BUILDS_NO_GRAPH}


def in_between(
    program: RemoteProgram, fixed: RemoteProgram, laws: frozenset[str], *, clips: bool
) -> Iterator[str]:
    """Yield what the program does otherwise than the fix, as a clause each."""
    size = fixed.draws().choice(SIZES)
    if GRAPHS & laws and any(_keeps_graphs(program, fixed, number) for number in (FEW, size)):
        yield "the run keeps the graph of earlier forward passes alive"
    if Law.LEARNING_RATE_PER_EPOCH in laws and _follows_batches(program, size):
        yield f"with {TIMES} times as many batches, an epoch has other learning rates"
    if Law.INPUTS_UNTOUCHED in laws and program.read("inputs_change", size):
        yield "the run changes its inputs for a while"
    if Law.NONLINEAR in laws and _bend(program) < LEAST_BEND * _bend(fixed):
        yield "the network is next to an affine function of its input"
    if clips and _steps_further(program, fixed, size):
        yield "the gradients of a step are larger than the clipped ones of the fix"


def _keeps_graphs(program: RemoteProgram, fixed: RemoteProgram, size: int) -> bool:
    nodes, ours = (side.read("old_graph", size) for side in (program, fixed))
    return bool(nodes > ours)


def _follows_batches(program: RemoteProgram, size: int) -> bool:
    """Return whether a learning rate is not that of the same share of a longer run."""
    few, many = (
        [
            step.learning_rates[0]
            for step in program.build().recorded_run(program.inputs(n), program.targets(n)).steps
        ]
        for n in (size, TIMES * size)
    )
    return any(
        not min(near) * (1 - RATE) <= rate <= max(near) * (1 + RATE)
        for place, rate in enumerate(few)
        for near in [many[max(0, TIMES * (place - 1)) : TIMES * (place + 2)]]
        if near
    )


def _steps_further(program: RemoteProgram, fixed: RemoteProgram, size: int) -> bool:
    for factor in FACTORS:
        first, ours = (side.read("step_gradients", size, factor) for side in (program, fixed))
        if ours and (not first or first[0] > MOST_GRADIENT * ours[0]):
            return True
    return False


def _bend(program: RemoteProgram) -> float:
    """Return how far f(a) + f(b) - f(0) is from f(a + b), relative to how far f(a) is from f(0)."""
    net = program.build().eval()
    inputs = program.inputs()
    found = []
    for seed in range(DRAWS):
        random = torch.Generator().manual_seed(seed)

        def noise(tensor: torch.Tensor, random: torch.Generator = random) -> torch.Tensor:
            return torch.randn(tensor.shape, generator=random).to(tensor) * tensor.abs().max()

        other = map_tensors(inputs, noise)
        both = _sums(inputs, other)
        zero = map_tensors(inputs, torch.zeros_like)
        a, b, c, o = (
            torch.cat([one.detach().double().flatten() for one in tensors(net.forward(values))])
            for values in (inputs, other, both, zero)
        )
        found.append(float((a + b - o - c).norm() / torch.stack([a - o, b - o]).norm()))
    return sorted(found)[DRAWS // 2]


def _sums(inputs: Values, others: Values) -> Values:
    added = iter(tensors(others))
    values: Values = map_tensors(inputs, lambda tensor: tensor + next(added))
    return values
