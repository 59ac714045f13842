"""The `backward` of a torch.autograd.Function is the derivative of its `forward`."""

from __future__ import annotations

import ast
import contextlib
import inspect
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in, require_success, user_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.commands.diagnose.source import Source

Function = type[torch.autograd.Function]

STEP = 1e-6  # of the central difference, in float64
NOISE = 1e-3  # added to the inputs, which may lie where a function has a kink, as at 0
DIRECTIONS = 8  # over which errors are averaged
APART = 0.1  # of the derivative; terms such as eps in a denominator change it by less


@rule(
    "the backward of a torch.autograd.Function is the derivative of its forward",
    stays_quiet="about functions whose gradient is another one on purpose: they return their "
    "input or the incoming gradient as it is, round, draw random numbers, or are not linear in "
    "the incoming gradient",
)
def wrong_custom_gradient(evidence: Evidence) -> Iterator[Finding]:
    """Compare the gradients of the user's functions with finite differences."""
    require_success(evidence)
    defined = dict(_functions(evidence))
    for probe in evidence.probing.probes if defined else []:
        for function, values in evidence.probing.run(partial(_calls, probe, defined)) or ():
            found = evidence.probing.run(partial(_difference, function, values))
            if found is None:
                continue
            source, method = defined[function]
            index, here, true = found
            name = [*inspect.signature(function.forward).parameters][index + _skipped(function)]
            yield Finding(
                rule="wrong_custom_gradient",
                kind="training/wrong_custom_gradient",
                message=f"{function.__name__}.backward is not the derivative of its forward with "
                f"respect to {name}",
                evidence=f"in a random direction, backward says that the output changes by "
                f"{here:.4g}; it changes by {true:.4g}",
                cause=location_in(source, method),
                subject=function.__name__,
                confidence=7,
            )


def _functions(evidence: Evidence) -> Iterator[tuple[Function, tuple[Source, ast.stmt]]]:
    """Yield the functions of the user's files, each with the `return` of its backward."""
    sources = {source.path: source for source in user_sources(evidence)}
    for function in torch.autograd.Function.__subclasses__():
        code = getattr(inspect.unwrap(function.backward), "__code__", None)
        source = sources.get(code.co_filename) if code else None
        method = source.function_named("backward", code.co_firstlineno) if source and code else None
        if source is not None and method is not None:
            returned = [node for node in ast.walk(method) if isinstance(node, ast.Return)]
            yield function, (source, returned[-1] if returned else method)


def _skipped(function: Function) -> int:
    """Return 1 if `forward` receives the context first, else 0."""
    return int("setup_context" not in function.__dict__)


def _calls(probe: Probe, functions: dict[Function, Any]) -> list[tuple[Function, tuple[Any, ...]]]:
    """Return the arguments of the first call of each function in a forward pass."""
    seen: dict[Function, tuple[Any, ...]] = {}
    with contextlib.ExitStack() as stack:
        for function in functions:
            stack.enter_context(_watched(function, seen))
        probe.subject.build().forward(probe.subject.inputs())
    return list(seen.items())


@contextlib.contextmanager
def _watched(function: Function, seen: dict[Function, tuple[Any, ...]]) -> Iterator[None]:
    """Note the arguments of `forward`."""
    original = function.__dict__["forward"]
    forward = function.forward

    def noting(*values: Any) -> Any:
        seen.setdefault(function, values[_skipped(function) :])
        return forward(*values)

    function.forward = staticmethod(noting)
    try:
        yield
    finally:
        function.forward = original


def _difference(function: Function, values: tuple[Any, ...]) -> tuple[int, float, float] | None:
    """Return the first argument with a wrong gradient, and that one and the true one."""
    generator = torch.Generator().manual_seed(0)
    noisy = tuple(_noisy(value, generator) for value in values)
    for index, value in enumerate(values):
        if _is_float(value) and value.requires_grad:
            call = CustomCall(function, noisy, index)
            pairs = [call.derivatives(generator) for _ in range(DIRECTIONS)]
            known = [pair for pair in pairs if pair is not None]
            if len(known) == DIRECTIONS and _apart(known):
                return index, *max(known, key=lambda pair: abs(pair[0] - pair[1]))
    return None


def _apart(pairs: list[tuple[float, float]]) -> bool:
    """Return whether two derivatives differ by more than APART, over random directions."""
    error = math.hypot(*(here - true for here, true in pairs))
    return error > APART * max(math.hypot(*one) for one in zip(*pairs, strict=True))


def _is_float(value: object) -> bool:
    return isinstance(value, torch.Tensor) and bool(value.is_floating_point())


def _noisy(value: Any, generator: torch.Generator) -> Any:
    if not _is_float(value):
        return value
    exact = value.detach().double()
    return exact + NOISE * torch.randn(exact.shape, generator=generator, dtype=exact.dtype)


@dataclass(frozen=True)
class CustomCall:
    """A call of a function, seen as one of its argument at `index` alone."""

    function: Function
    values: tuple[Any, ...]
    index: int

    def output(self, value: torch.Tensor) -> Any:
        """Return what the function returns for another value of the argument."""
        return self.function.apply(
            *self.values[: self.index], value, *self.values[self.index + 1 :]
        )

    def gradient(self, incoming: torch.Tensor) -> torch.Tensor:
        """Return what `backward` returns for the argument; raises what it raises."""
        value = self.values[self.index].clone().requires_grad_()
        return torch.autograd.grad(self.output(value), value, incoming)[0]

    def derivatives(self, generator: torch.Generator) -> tuple[float, float] | None:
        """Return the derivative in a random direction, by `backward` and by a central difference.

        None where they cannot be compared, or differ on purpose.
        """
        value = self.values[self.index]
        draw = partial(torch.randn, generator=generator, dtype=torch.float64)
        direction, output = draw(value.shape), self.output(value)
        if not _is_float(output) or not torch.equal(output, self.output(value)):
            return None  # several outputs, or random ones
        incoming = draw(output.shape)
        gradient = self.gradient(incoming)
        if not self._can_be_compared(incoming, gradient) or _same(gradient, incoming):
            return None
        ahead, behind = (self.output(value + sign * STEP * direction) for sign in (1, -1))
        true = float(((ahead - behind) / (2 * STEP) * incoming).sum())
        rounds = not math.isfinite(true) or torch.equal(ahead, behind) or _same(output, value)
        return None if rounds else (float((gradient * direction).sum()), true)

    def _can_be_compared(self, incoming: torch.Tensor, gradient: torch.Tensor) -> bool:
        """Return whether `backward` repeats itself, and is linear in the incoming gradient.

        One that ignores the incoming gradient is wrong as well, except for a loss, where it is 1.
        """
        again, negative = self.gradient(incoming), self.gradient(-incoming)
        ignored = incoming.numel() > 1 and torch.equal(gradient, negative)
        linear = torch.allclose(gradient, -negative)
        return bool(torch.equal(gradient, again) and (linear or ignored))


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one, other))
