"""Observe what each layer does for the output, by changing parameters and comparing outputs.

Runs in the judge's process, on values. A detached shortcut, a deleted one, and a head that mixes
up the channels all run without an exception; they differ from a repair in these facts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.learn.facts import LayerFacts
from broken_convnets.observe.laws.registry import all_close
from broken_convnets.observe.trees import map_tensors, tensors

if TYPE_CHECKING:
    from broken_convnets.observe.remote.subject import RemoteNetwork, RemoteProgram

Values = tuple[Any, ...]
Tensors = list[torch.Tensor]
Change = dict[str, torch.Tensor]  # what is added to each parameter
Gradients = dict[str, torch.Tensor | None]

SAMPLES = 10
SEEDS = 3  # networks: in one of them, a ReLU can hide a channel
MOST = 3  # of 5 directions decide: a kink of a ReLU can lie near one
STEPS = (1e-2, 1e-3)  # relative to the parameters
SHARE = 0.1  # of the slope: a gradient with a part missing differs by more


def layer_facts(program: RemoteProgram) -> LayerFacts:
    """Return the facts of a program's layers with parameters, in eval mode."""
    inputs = program.inputs(SAMPLES)
    layers = sorted({name.rpartition(".")[0] for name in program.build().parameters()})
    return LayerFacts(
        bypassed=[name for name in layers if _is_bypassed(program, inputs, name)],
        ordered=[name for name in layers if _is_ordered(program, inputs, name)],
        channels=_channels(program, inputs),
        gradients_match=_gradients_match(program, inputs),
    )


def _network(program: RemoteProgram, seed: int = 0) -> RemoteNetwork:
    return program.build(program.seed + seed).eval()


def _is_bypassed(program: RemoteProgram, inputs: Values, layer: str) -> bool:
    """Return whether the output still depends on the inputs if all of a layer is zero."""
    net = _network(program)
    net.shift({name: -value.detach() for name, value in _own(net, layer).items()}, 1)
    return not all_close(_outputs(net, inputs), _outputs(net, map_tensors(inputs, _rolled)))


def _is_ordered(program: RemoteProgram, inputs: Values, layer: str) -> bool:
    """Return whether the output depends on the order of a layer's output channels."""
    for seed in range(SEEDS):
        net = _network(program, seed)
        before = _outputs(net, inputs)
        net.shift(
            {name: _rolled(value) - value.detach() for name, value in _own(net, layer).items()}, 1
        )
        if not all_close(before, _outputs(net, inputs)):
            return True
    return False


def _channels(program: RemoteProgram, inputs: Values) -> dict[str, int]:
    """Return how many output channels of each weight have a gradient in one of the networks."""
    used: dict[str, torch.Tensor] = {}
    for seed in range(SEEDS):
        net = _network(program, seed)
        for name, gradient in net.gradients(inputs, _directions(net, inputs, seed)).items():
            if gradient is not None and gradient.ndim > 1:
                live = gradient.flatten(1).ne(0).any(dim=1)
                used[name] = used[name] | live if name in used else live
    return {name: int(live.sum()) for name, live in used.items()}


def _gradients_match(program: RemoteProgram, inputs: Values) -> list[str]:
    """Return the layers whose gradients agree with finite differences of the output."""
    net = _network(program)
    directions = _directions(net, inputs, 0)
    gradients = net.gradients(inputs, directions)
    layers = sorted({name.rpartition(".")[0] for name in gradients})
    return [layer for layer in layers if _matches(net, layer, gradients, inputs, directions)]


def _matches(
    net: RemoteNetwork, layer: str, gradients: Gradients, inputs: Values, directions: Tensors
) -> bool:
    """Compare along random directions of one layer; a sum over all would hide a small one."""
    random = torch.Generator().manual_seed(1)
    right = wrong = 0
    while max(right, wrong) < MOST:
        change = _random_change(net, layer, random)
        products = [
            (gradient * change[name]).double()
            for name, gradient in gradients.items()
            if name in change and gradient is not None
        ]
        slopes = (_slope(net, change, step, inputs, directions) for step in STEPS)
        agree = any(_agree(products, slope) for slope in slopes)
        right, wrong = right + agree, wrong + (not agree)
    return right == MOST


def _random_change(net: RemoteNetwork, layer: str, random: torch.Generator) -> Change:
    return {
        name: torch.randn(value.shape, generator=random)
        * value.detach().square().mean().sqrt().clamp(min=0.05)
        for name, value in _own(net, layer).items()
        if value.requires_grad
    }


def _agree(products: Tensors, measured: float) -> bool:
    slope = sum(float(one.sum()) for one in products)
    expected = math.sqrt(sum(float(one.square().sum()) for one in products))
    return abs(measured - slope) <= SHARE * max(expected, abs(measured))


def _slope(
    net: RemoteNetwork, change: Change, step: float, inputs: Values, directions: Tensors
) -> float:
    """Return the slope of the output along `change`; the network is as before afterwards."""
    net.shift(change, step)
    above = _product(net, inputs, directions)
    net.shift(change, -2 * step)
    below = _product(net, inputs, directions)
    net.shift(change, step)
    return (above - below) / (2 * step)


def _product(net: RemoteNetwork, inputs: Values, directions: Tensors) -> float:
    pairs = zip(_outputs(net, inputs), directions, strict=True)
    return sum(float((one.detach().double() * direction).sum()) for one, direction in pairs)


def _directions(net: RemoteNetwork, inputs: Values, seed: int) -> Tensors:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(one.shape, generator=random) for one in _outputs(net, inputs)]


def _outputs(net: RemoteNetwork, inputs: Values) -> Tensors:
    return tensors(net.forward(inputs))


def _own(net: RemoteNetwork, layer: str) -> dict[str, torch.Tensor]:
    return {
        name: value
        for name, value in net.parameters().items()
        if name.rpartition(".")[0] == layer and value.ndim
    }


def _rolled(tensor: torch.Tensor) -> torch.Tensor:
    """Move each row to the next place; a single row has no other place."""
    return tensor.detach().roll(1, dims=0) if tensor.ndim else tensor
