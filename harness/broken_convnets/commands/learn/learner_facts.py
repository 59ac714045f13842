"""Collect the facts for a learner: the traceback of the script, and what the run uses.

Runs in the judge's process. `grading.py` compares these facts with those of the reference fix:
they describe what a program computes, however it is written.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import torch

from broken_convnets.commands.learn.facts import LearnerFacts, LearnerObservation, LearnerRequest
from broken_convnets.commands.learn.first_input import first_input, is_nonlinear
from broken_convnets.commands.learn.layer_facts import layer_facts
from broken_convnets.observe.facts import RunRequest, ScriptRequest
from broken_convnets.observe.laws.registry import TOLERANCE
from broken_convnets.observe.remote.subject import RemoteProgram
from broken_convnets.observe.run import ObservedProgram, script_run
from broken_convnets.observe.trees import detached, map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.learn.facts import LayerFacts

Result = TypeVar("Result")

SAMPLES = 10
STEPS = (
    0.5,
    4.0,
    32.0,
)  # added to a parameter, times noise; a class index needs a large step to change
MAX_PARAMETERS = 100_000  # of a network whose dependencies are checked: each check is a run
ROUNDING = 1e-6  # of float32, relative to the largest value
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
    clearly, slightly = _quietly(_dependencies, subject, nothing)
    return LearnerFacts(
        layers=_quietly(RemoteProgram.called_layers, subject, {}),
        parameters=_quietly(_parameters, subject, []),
        depends_on=clearly,
        depends_slightly=slightly,
        equal_values=_quietly(_equal_values, subject, {}),
        result=_quietly(_values, subject, []),
        nonlinear=_quietly(is_nonlinear, subject, None),
        first_input=_quietly(first_input, subject, None),
        by_layer=_quietly(_by_layer, subject, None),
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
    result = _result(program, program.inputs(SAMPLES), program.targets(SAMPLES))
    values = [tensor.detach().double().flatten() for tensor in result]
    few = sum(len(one) for one in values) <= VALUES
    return [one.tolist() for one in values] if few and all(map(_is_finite, values)) else []


def _is_finite(values: torch.Tensor) -> bool:
    return bool(values.isfinite().all())


def _by_layer(program: RemoteProgram) -> LayerFacts | None:
    return layer_facts(program) if _is_small(program) else None


def _is_small(program: RemoteProgram) -> bool:
    sizes = [value.numel() for value in program.build().parameters().values()]
    return sum(sizes) <= MAX_PARAMETERS


def _dependencies(program: RemoteProgram) -> tuple[list[str], list[str]]:
    """Return the parameters, input samples and target samples that change a run's result.

    The second list also has those that change it by less than the laws compare, such as a sample
    that acts through a step of the optimizer. Both are empty for a network with more than
    MAX_PARAMETERS.
    """
    if not _is_small(program):
        return [], []
    inputs, targets = program.inputs(SAMPLES), program.targets(SAMPLES)
    result = _result(program, inputs, targets)
    clearly, slightly = [], []
    for name, others in _changed_results(program, inputs, targets):
        sizes = [_difference(result, other) for other in others]
        if any(size > TOLERANCE for size in sizes):
            clearly.append(name)
        if any(size > ROUNDING for size in sizes):
            slightly.append(name)
    return clearly, slightly


def _changed_results(
    program: RemoteProgram, inputs: tuple[Any, ...], targets: tuple[Any, ...]
) -> Iterator[tuple[str, Iterator[list[torch.Tensor]]]]:
    """Yield what is changed, and the results of runs with it changed."""
    for name in _parameters(program):
        yield name, (_result(program, inputs, targets, (name, step)) for step in STEPS)
    for kind, values in (("inputs", inputs), ("targets", targets)):
        for index, other in _neighbours(values):
            changed = map_tensors(values, _with_sample(index, other))
            given = (changed, targets) if kind == "inputs" else (inputs, changed)
            yield f"sample {index} of the {kind}", iter([_result(program, *given)])


def _result(
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
