"""The `backward` of a torch.autograd.Function is the derivative of its `forward`."""

from __future__ import annotations

import ast
import contextlib
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose.analysis.derivatives import wrong_gradient
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.derivatives import Function
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe


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
    for function, values in _calls(evidence, defined).items():
        found = evidence.probing.run(partial(wrong_gradient, function, values))
        if found is None:
            continue
        index, (here, true) = found
        name = [*inspect.signature(function.forward).parameters][index + _skipped(function)]
        yield Finding(
            kind="training/wrong_custom_gradient",
            message=f"{function.__name__}.backward is not the derivative of its forward with "
            f"respect to {name}",
            evidence=f"in one direction, the derivative of the output is {true:.4g}, and according "
            f"to backward {here:.4g}",
            cause=defined[function],
            subject=function.__name__,
            confidence=7,
        )


def _functions(evidence: Evidence) -> Iterator[tuple[Function, Location]]:
    """Yield the functions of the user's files, each with the last `return` of its backward."""
    sources = {source.path: source for source in evidence.user_sources}
    for function in torch.autograd.Function.__subclasses__():
        code = getattr(inspect.unwrap(function.backward), "__code__", None)
        source = sources.get(code.co_filename) if code else None
        method = source.function_named("backward", code.co_firstlineno) if source and code else None
        if source is not None and method is not None:
            returned = [node for node in ast.walk(method) if isinstance(node, ast.Return)]
            yield function, location_in(source, returned[-1] if returned else method)


def _skipped(function: Function) -> int:
    """Return 1 if `forward` receives the context first, else 0."""
    return int("setup_context" not in function.__dict__)


def _calls(evidence: Evidence, functions: dict[Function, Any]) -> dict[Function, tuple[Any, ...]]:
    """Return the arguments of the first call of each function that a network calls."""
    seen: dict[Function, tuple[Any, ...]] = {}
    for probe in evidence.probing.probes if functions else []:
        evidence.probing.run(partial(_watch, probe, functions, seen))
    return seen


def _watch(
    probe: Probe, functions: dict[Function, Any], seen: dict[Function, tuple[Any, ...]]
) -> None:
    """Note the arguments of functions during a forward pass."""
    with contextlib.ExitStack() as stack:
        for function in functions:
            stack.enter_context(_watched(function, seen))
        probe.subject.build().forward(probe.subject.inputs())


@contextlib.contextmanager
def _watched(function: Function, seen: dict[Function, tuple[Any, ...]]) -> Iterator[None]:
    """Have the `forward` of a function note its arguments."""
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
