"""What a program computes from given parameters: outputs, a run, a score, a resumed training."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from broken_convnets.observe.trees import detached, tensors

if TYPE_CHECKING:
    from broken_convnets.commands.learn.pair.start import Named, Start
    from broken_convnets.observe.remote.subject import RemoteNetwork, RemoteProgram


@dataclass(frozen=True)
class Behavior:
    """What one program does with a number of samples, each by name."""

    outputs: Named  # in eval mode, if the program has no run
    result: Named
    gradients: Named
    state: Named  # parameters and buffers after the run
    update: Named  # by how much the run changed the parameters
    rates: list[float]  # of each optimizer step of the run


def behavior(program: RemoteProgram, start: Start, size: int | None) -> Behavior:
    """Return what a program does with `size` samples, by default as many as its example has.

    Raises SubjectError for what it raises.
    """
    inputs, targets = program.inputs(size), program.targets(size)
    outputs: list[torch.Tensor] = []
    if not program.has("run"):
        outputs = tensors(network(program, start).eval().forward(detached(inputs)))
    net = network(program, start)
    before = detached(net.parameters())
    result = program.seeded_run(net, detached(inputs), detached(targets))
    after = detached(net.parameters())
    return Behavior(
        outputs=_floats(outputs),
        result=_floats(result),
        gradients=start.renamed(_present(net.parameter_gradients())),
        state=start.renamed(after) | _buffers(net),
        update=start.renamed(
            {
                name: value - before[name]
                for name, value in after.items()
                if name in before and value.shape == before[name].shape
            }
        ),
        rates=_rates(program, start, size),
    )


def network(program: RemoteProgram, start: Start) -> RemoteNetwork:
    """Return a new network of a program with the parameters of a start."""
    net = program.build()
    own = net.parameters()
    net.shift({name: value - own[name].detach() for name, value in start.values.items()}, 1.0)
    return net


def _buffers(net: RemoteNetwork) -> Named:
    return {name: one for name, one in net.buffers().items() if one.is_floating_point()}


def _present(gradients: dict[str, torch.Tensor | None]) -> Named:
    return {name: one.detach() for name, one in gradients.items() if one is not None}


def resumed(program: RemoteProgram, start: Start, epochs: int, stop: int) -> Named:
    """Return the parameters after a training that stopped, and resumed in another process."""
    data = detached((*program.inputs(), *program.targets()))
    first = network(program, start)
    checkpoint = copy.deepcopy(first.call("train", *data, stop))
    second = program.apart().build(program.seed + 1)
    second.call("train", *data, epochs, checkpoint)
    return start.renamed(detached(second.parameters()))


def score(program: RemoteProgram, _: Start, size: int | None, seed: int) -> Named:
    """Return what the program's metric returns for outputs that are right by chance."""
    (targets,) = program.targets(size)
    random = torch.Generator().manual_seed(seed)
    (outputs,) = tensors(program.build().eval().forward(program.inputs(size)))
    invented = torch.randn(outputs.shape, generator=random).to(outputs.dtype)
    return _floats(program.call("score", invented, targets))


def _rates(program: RemoteProgram, start: Start, size: int | None) -> list[float]:
    run = network(program, start).recorded_run(program.inputs(size), program.targets(size))
    return [rate for step in run.steps for rate in step.learning_rates]


def _floats(value: Any) -> Named:
    """Return the tensors and numbers inside a value that are floating point, by their place."""
    leaves, _ = pytree.tree_flatten(value)
    found = [
        torch.as_tensor(leaf).detach() for leaf in leaves if isinstance(leaf, (torch.Tensor, float))
    ]
    return {str(place): one for place, one in enumerate(found) if one.is_floating_point()}
