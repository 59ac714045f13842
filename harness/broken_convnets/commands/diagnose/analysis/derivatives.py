"""Compare the gradients of a torch.autograd.Function with finite differences.

`torch.autograd.gradcheck` compares them too, but refuses every gradient that is another one on
purpose, and returns no numbers to show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from broken_convnets.observe.traced_forward import trace_call

Function = type[torch.autograd.Function]
Slopes = tuple[float, float]  # by `backward`, and by a central difference

STEP = 1e-6  # of the central difference, in float64
AGREE = 0.01  # of the slope: for twice the step it is the same where there is a derivative
NOISE = 1e-3  # added to the inputs, which may lie where a function has a kink, as at 0
DIRECTIONS = 8  # over which errors are averaged
APART = 0.1  # of the derivative; terms such as eps in a denominator change it by less
# Functions without a useful derivative: who calls them defines another one on purpose.
STEPS = frozenset(
    {"sign", "sgn", "round", "floor", "ceil", "trunc", "fix", "heaviside", "bernoulli"}
    | {"int", "long", "bool", "argmax", "argmin", "one_hot", "fake_quantize_per_tensor_affine"}
)


def wrong_gradient(function: Function, values: tuple[Any, ...]) -> tuple[int, Slopes] | None:
    """Return the first argument with a wrong gradient, by its index, and its slopes.

    `values` are the arguments of a call, without the context. None if all gradients are right,
    cannot be compared, or are other ones on purpose. Raises what the function raises.
    """
    generator = torch.Generator().manual_seed(0)
    noisy = tuple(_noisy(value, generator) for value in values)
    trace, _ = trace_call(lambda: function.apply(*noisy))
    if any(operator.name.rstrip("_") in STEPS for operator in trace):
        return None
    for index, value in enumerate(values):
        if _is_float(value) and value.requires_grad:
            call = _Call(function, noisy, index)
            slopes = call.slopes(generator) if call.is_comparable(generator) else []
            if len(slopes) == DIRECTIONS and _are_apart(slopes):
                return index, max(slopes, key=lambda pair: abs(pair[0] - pair[1]))
    return None


def _are_apart(slopes: list[Slopes]) -> bool:
    error = math.hypot(*(here - true for here, true in slopes))
    return error > APART * max(math.hypot(*one) for one in zip(*slopes, strict=True))


def _noisy(value: Any, generator: torch.Generator) -> Any:
    if not _is_float(value):
        return value
    exact = value.detach().double()
    return exact + NOISE * torch.randn(exact.shape, generator=generator, dtype=exact.dtype)


@dataclass(frozen=True)
class _Call:
    """A call of a function, seen as one of its argument at `index` alone."""

    function: Function
    values: tuple[Any, ...]
    index: int

    @property
    def value(self) -> torch.Tensor:
        found: torch.Tensor = self.values[self.index]
        return found

    def output(self, value: torch.Tensor) -> Any:
        """Return what the function returns for another value of the argument."""
        before, after = self.values[: self.index], self.values[self.index + 1 :]
        return self.function.apply(*before, value, *after)

    def gradient(self, incoming: torch.Tensor) -> torch.Tensor:
        value = self.value.clone().requires_grad_()
        return torch.autograd.grad(self.output(value), value, incoming)[0]

    def is_comparable(self, generator: torch.Generator) -> bool:
        """Return whether it is meant to compute a derivative of its one output.

        Not if it returns its input or the incoming gradient as it is, or other numbers each time,
        or is not linear in the incoming gradient. One that ignores the incoming gradient is
        wrong as well, except for a loss, where it is 1.
        """
        output = self.output(self.value)
        if not _is_float(output) or not torch.equal(output, self.output(self.value)):
            return False
        incoming = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        gradient, again, negative = map(self.gradient, (incoming, incoming, -incoming))
        ignored = incoming.numel() > 1 and torch.equal(gradient, negative)
        follows = ignored or torch.allclose(gradient, -negative)
        passes = _same(output, self.value) or _same(gradient, incoming)
        return bool(torch.equal(gradient, again) and follows and not passes)

    def slopes(self, generator: torch.Generator) -> list[Slopes]:
        """Return the slopes in random directions in which there is a derivative."""
        draw = partial(torch.randn, generator=generator, dtype=torch.float64)
        found = []
        for _ in range(DIRECTIONS):
            direction, incoming = draw(self.value.shape), draw(self.output(self.value).shape)
            near, far = (self._slope(direction, incoming, step) for step in (STEP, 2 * STEP))
            if abs(near - far) <= AGREE * max(abs(near), abs(far)) and near:
                found.append((float((self.gradient(incoming) * direction).sum()), near))
        return found

    def _slope(self, direction: torch.Tensor, incoming: torch.Tensor, step: float) -> float:
        ahead, behind = (self.output(self.value + s * direction) for s in (step, -step))
        return float(((ahead - behind) / (2 * step) * incoming).sum())


def _is_float(value: object) -> bool:
    return isinstance(value, torch.Tensor) and bool(value.is_floating_point())


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one, other))
