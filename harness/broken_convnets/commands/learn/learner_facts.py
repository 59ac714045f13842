"""Collect the facts for a learner: the traceback of the script, and what the run uses.

Runs in the judge's process. `grading.py` compares these facts with those of the reference fix:
they describe what a program computes, however it is written.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec
import torch

from broken_convnets.commands.learn.dependencies import SAMPLES, dependencies, result_of
from broken_convnets.commands.learn.facts import LearnerFacts, LearnerObservation, LearnerRequest
from broken_convnets.commands.learn.first_input import first_input, is_nonlinear
from broken_convnets.commands.learn.layer_facts import layer_facts
from broken_convnets.observe.facts import RunRequest, ScriptRequest
from broken_convnets.observe.remote.subject import RemoteProgram
from broken_convnets.observe.run import ObservedProgram, script_run
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Callable


Result = TypeVar("Result")

MAX_PARAMETERS = 100_000  # of a network of which each part is changed: each change is a run
VALUES = 4_096  # compared one by one in a tensor


def observe_for_learner(request: LearnerRequest) -> LearnerObservation:
    """Run a program, and return the observation with the facts for a learner.

    The facts come from values of the program's process, as the laws do.
    """
    program = ObservedProgram(RunRequest(request.source, request.seed))
    facts = LearnerFacts()
    if program.subject is not None:
        facts = _facts(program.subject)
    program.end()
    script = script_run(ScriptRequest(request.source, request.name, request.seed))
    return LearnerObservation(
        program.observation,
        msgspec.structs.replace(facts, traceback=script.traceback, printed=script.printed),
    )


def _facts(subject: RemoteProgram) -> LearnerFacts:
    nothing: tuple[list[str], list[str]] = ([], [])
    small = _quietly(_is_small, subject, empty=False)
    clearly, slightly = _quietly(dependencies, subject, nothing) if small else nothing
    return LearnerFacts(
        layers=_quietly(RemoteProgram.called_layers, subject, {}),
        parameters=_quietly(_parameters, subject, []),
        depends_on=clearly,
        depends_slightly=slightly,
        equal_values=_quietly(_equal_values, subject, {}),
        result=_quietly(_values, subject, []),
        nonlinear=_quietly(is_nonlinear, subject, None),
        first_input=_quietly(first_input, subject, None),
        by_layer=_quietly(layer_facts, subject, None) if small else None,
    )


def _quietly(
    call: Callable[[RemoteProgram], Result], subject: RemoteProgram, empty: Result
) -> Result:
    try:
        return call(subject)
    except Exception:  # noqa: BLE001  (a fact that cannot be collected is left out)
        return empty


def _parameters(program: RemoteProgram) -> list[str]:
    return list(program.build().parameters())


def _values(program: RemoteProgram) -> list[list[float]]:
    """Return the values of a run's result; nothing if they are many or not finite."""
    result = result_of(program, program.inputs(SAMPLES), program.targets(SAMPLES))
    values = [tensor.detach().double().flatten() for tensor in result]
    few = sum(len(one) for one in values) <= VALUES
    return [one.tolist() for one in values] if few and all(map(_is_finite, values)) else []


def _is_finite(values: torch.Tensor) -> bool:
    return bool(torch.isfinite(values).all())


def _is_small(program: RemoteProgram) -> bool:
    sizes = (value.numel() for value in program.build().parameters().values())
    return bool(sum(sizes) <= MAX_PARAMETERS)


def _equal_values(program: RemoteProgram) -> dict[str, list[int]]:
    """Return which values of the inputs and targets are equal, but not the values."""
    found = {}
    for kind, values in (
        ("inputs", program.inputs(SAMPLES)),
        ("targets", program.targets(SAMPLES)),
    ):
        for number, tensor in enumerate(tensors(values)):
            with suppress(RuntimeError):  # not a strided tensor
                flat = tensor.detach().reshape(-1)
                rows = flat if len(flat) <= VALUES else flat[:VALUES]
                found[f"{kind} {number}"] = _pattern(rows)
            if tensor.ndim and len(tensor) == SAMPLES:
                found[f"{kind} {number} by sample"] = _pattern(tensor.detach().reshape(SAMPLES, -1))
    return found


def _pattern(values: torch.Tensor) -> list[int]:
    """Replace each value by a number that only equal values share, in order of occurrence."""
    first: dict[object, int] = {}
    listed = values.tolist()
    keys = [tuple(value) if isinstance(value, list) else value for value in listed]
    return [first.setdefault(key, len(first)) for key in keys]
