"""The first operator of a network whose output depends on the order of the samples in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import map_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.traced_forward import TracedOperator

RANDOM = ("rand", "normal", "bernoulli", "multinomial", "uniform", "exponential")


@dataclass(frozen=True)
class Dependent:
    """The operator, all operators before it, and the network that ran them."""

    operator: TracedOperator
    before: Sequence[TracedOperator]
    network: nn.Module


def first_dependent(probe: Probe, samples: int) -> Dependent | None:
    """Return the first operator whose output is not reordered as `samples` samples are.

    None if there is none, or if the network draws random numbers.
    """
    traces, networks = [], []
    for shift in (0, 1):
        net = probe.subject.build().eval()
        given = probe.subject.inputs(samples)
        inputs = map_tensors(given, partial(_shifted, shift=shift, samples=samples))
        seed_all(0)
        traces.append(trace_call(partial(net.forward, inputs)))
        networks.append(net.module)
    (one, error), (two, other) = traces
    if error or other or [o.name for o in one] != [o.name for o in two]:
        return None
    if any(word in operator.name for operator in one for word in RANDOM):
        return None
    for number, (before, after) in enumerate(zip(one, two, strict=True)):
        pairs = zip(before.outputs, after.outputs, strict=False)
        if not all(_is_reordered(a, b, samples) for a, b in pairs):
            if "dropout" in before.name:  # which may run in eval mode
                return None
            return Dependent(before, one[:number], networks[0])
    return None


def _shifted(tensor: torch.Tensor, shift: int, samples: int) -> torch.Tensor:
    return tensor.roll(shift, 0) if tensor.ndim and len(tensor) == samples else tensor


def _is_reordered(a: torch.Tensor, b: torch.Tensor, samples: int) -> bool:
    """Return whether two results are equal, or have the same samples in another order."""
    if a.shape != b.shape or _are_close(a, b):
        return True  # of different shapes, it depends on the values: no statement
    return any(_is_reordered_along(a, b, dim, samples) for dim in range(a.ndim))


def _is_reordered_along(a: torch.Tensor, b: torch.Tensor, dim: int, samples: int) -> bool:
    """Return whether `dim` is made of samples, each with one or more entries side by side."""
    if a.shape[dim] % samples:
        return False
    one, other = a.movedim(dim, 0), b.movedim(dim, 0)
    rest = one.shape[1:]
    blocks = one.reshape(samples, -1, *rest).roll(1, 0).reshape(one.shape)
    turns = one.reshape(-1, samples, *rest).roll(1, 1).reshape(one.shape)
    return _are_close(blocks, other) or _are_close(turns, other)


def _are_close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if not a.is_floating_point() and not a.is_complex():
        return bool((a == b).all())
    return bool(torch.isclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True).all())
