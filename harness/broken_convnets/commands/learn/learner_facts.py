"""Collect the facts for a learner: the traceback of the script, and what the run uses.

Runs in the sandbox process. `grading.py` compares these facts with those of the reference fix:
they describe what a program computes, however it is written.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.learn.facts import LearnerFacts, LearnerObservation, LearnerRequest
from broken_convnets.observe.facts import RunRequest, ScriptRequest, ScriptRun
from broken_convnets.observe.laws.registry import all_close
from broken_convnets.observe.program import seed_everything
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.run import observe_program
from broken_convnets.observe.script import run_script
from broken_convnets.observe.trees import map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.program import Program

SAMPLES = 10
STEPS = (
    0.5,
    4.0,
    32.0,
)  # added to a parameter, times noise; a class index needs a large step to change
MAX_PARAMETERS = 100_000  # of a network whose dependencies are checked: each check is a run
VALUES = 4_096  # compared one by one in a tensor


def observe_for_learner(request: LearnerRequest) -> LearnerObservation:
    """Run a program, and return the observation with the facts for a learner."""
    observation, program = observe_program(RunRequest(request.source, request.seed))
    script = run_script(ScriptRequest(request.source, request.name, request.seed))
    return LearnerObservation(observation, learner_facts(script, program))


def learner_facts(script: ScriptRun, program: Program | None) -> LearnerFacts:
    """Return the facts for a learner; `program` is None if its run raised.

    Catches everything that the program raises.
    """
    if program is None:
        return LearnerFacts(traceback=script.traceback, printed=script.printed)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return LearnerFacts(
            traceback=script.traceback,
            printed=script.printed,
            layers=_quietly(_layers, program, {}),
            parameters=_quietly(_parameters, program, []),
            depends_on=_quietly(_depends_on, program, []),
            equal_values=_quietly(_equal_values, program, {}),
        )


def _quietly(call: Callable[[Program], Any], program: Program, empty: Any) -> Any:
    try:
        return call(program)
    except BaseException:  # noqa: BLE001  (a fact that cannot be collected is left out)
        return empty


def _layers(program: Program) -> dict[str, int]:
    """Count the layers that a run calls, by type.

    Only those with parameters of their own or with a train mode: any other layer, such as ReLU or
    Flatten, can also be written as a function.
    """
    with Recorder(Options(calls=True)) as recorder:
        program.run(program.net(), program.inputs(), program.targets())
    called = recorder.record.called
    names = [one.type for one in called if one.has_parameters or one.depends_on_mode]
    return dict(sorted(Counter(names).items()))


def _parameters(program: Program) -> list[str]:
    return [name for name, _ in program.net().named_parameters()]


def _depends_on(program: Program) -> list[str]:
    """Return the parameters, input samples and target samples that change a run's result.

    Empty for a network with more than MAX_PARAMETERS.
    """
    if sum(parameter.numel() for parameter in program.net().parameters()) > MAX_PARAMETERS:
        return []
    inputs, targets = program.inputs(SAMPLES), program.targets(SAMPLES)
    result = _result(program, inputs, targets)
    names = [
        name
        for name in _parameters(program)
        if any(_differ(result, _result(program, inputs, targets, (name, step))) for step in STEPS)
    ]
    for kind, values in (("inputs", inputs), ("targets", targets)):
        for index, other in _neighbours(values):
            changed = map_tensors(values, _with_sample(index, other))
            given = (changed, targets) if kind == "inputs" else (inputs, changed)
            if _differ(result, _result(program, *given)):
                names.append(f"sample {index} of the {kind}")
    return names


def _result(
    program: Program,
    inputs: tuple[Any, ...],
    targets: tuple[Any, ...],
    moved: tuple[str, float] | None = None,
) -> list[torch.Tensor]:
    """Run with a copy of the data, which a run may modify, and with one parameter moved."""
    net = program.net()
    if moved:
        name, step = moved
        parameter = dict(net.named_parameters())[name]
        with torch.no_grad():
            parameter += step * torch.randn_like(parameter)
    seed_everything(program.seed, program.device)
    data = (map_tensors(values, torch.clone) for values in (inputs, targets))
    result = program.run(net, *data)
    return tensors(result) or [torch.tensor(float(result))]


def _differ(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return not all_close(one, other)


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


def _equal_values(program: Program) -> dict[str, list[int]]:
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
