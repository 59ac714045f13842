"""What a learner is shown and judged by beyond the laws: a true traceback, and what a run uses.

Runs in the child, beside `observe`. The facts say what a program computes with, whatever its
text: `learn/grading.py` compares them with those of a fix.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules import module as hooks

from broken_convnets.commands.learn.facts import LearnerFacts, LearnerObservation, LearnerRequest
from broken_convnets.observe.facts import RunRequest, ScriptRequest, ScriptRun
from broken_convnets.observe.laws.registry import all_close
from broken_convnets.observe.program import map_tensors, seed_everything, tensors
from broken_convnets.observe.run import observe_program
from broken_convnets.observe.script import run_script
from broken_convnets.observe.training_recorder import modal_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.program import Program

SAMPLES = 10
STEPS = (0.5, 4.0, 32.0)  # how far a parameter is moved: a class index changes late
LARGE = 100_000  # numbers in a network of which each run would take too long
VALUES = 4_096  # of one tensor that are compared one by one


def observe_for_learner(request: LearnerRequest) -> LearnerObservation:
    """Run a program once, and return its facts with those for a learner."""
    observation, program = observe_program(RunRequest(request.source, request.seed))
    script = run_script(ScriptRequest(request.source, request.name, request.seed))
    return LearnerObservation(observation, learner_facts(script, program))


def learner_facts(script: ScriptRun, program: Program | None) -> LearnerFacts:
    """Return the facts for a learner; `program` is None where the plain run has raised.

    Nothing the program raises leaves this function.
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
            follows=_quietly(_follows, program, []),
            patterns=_quietly(_patterns, program, {}),
        )


def _quietly(call: Callable[[Program], Any], program: Program, empty: Any) -> Any:
    try:
        return call(program)
    except BaseException:  # noqa: BLE001  (what cannot be told is not held against anyone)
        return empty


def _layers(program: Program) -> dict[str, int]:
    """Count by type the layers that a run calls and that are more than a function.

    Those have parameters of their own or differ in train mode; the others (ReLU, Flatten)
    may as well be written as functions.
    """
    called: dict[int, nn.Module] = {}

    def remember(module: nn.Module, *_: object) -> None:
        own = any(True for _ in module.parameters(recurse=False))
        if own or module in modal_layers(module):
            called[id(module)] = module

    with _removed(hooks.register_module_forward_hook(remember)):
        program.run(program.net(), program.inputs(), program.targets())
    return dict(sorted(Counter(type(module).__name__ for module in called.values()).items()))


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def _parameters(program: Program) -> list[str]:
    return [name for name, _ in program.net().named_parameters()]


def _follows(program: Program) -> list[str]:
    """Name the parameters, input samples and target samples that change a run's result.

    None for a large network, of which the laws have to be enough.
    """
    if sum(parameter.numel() for parameter in program.net().parameters()) > LARGE:
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
    """Run with a copy of the data, since a run may change it, and a parameter moved by a step."""
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
    """Pair each sample with the one whose values are nearest and not the same."""
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


def _patterns(program: Program) -> dict[str, list[int]]:
    """Say of the inputs and targets which values are equal, and not which values they are."""
    found = {}
    for kind, values in (
        ("inputs", program.inputs(SAMPLES)),
        ("targets", program.targets(SAMPLES)),
    ):
        for number, tensor in enumerate(tensors(values)):
            with suppress(RuntimeError):  # no strided values
                flat = tensor.detach().reshape(-1)
                rows = flat if len(flat) <= VALUES else flat[:VALUES]
                found[f"{kind} {number}"] = _pattern(rows)
            if tensor.ndim and len(tensor) == SAMPLES:
                found[f"{kind} {number} by sample"] = _pattern(tensor.detach().reshape(SAMPLES, -1))
    return found


def _pattern(values: torch.Tensor) -> list[int]:
    """Give each value the number of the value at which it first comes."""
    first: dict[object, int] = {}
    listed = values.tolist()
    keys = [tuple(value) if isinstance(value, list) else value for value in listed]
    return [first.setdefault(key, len(first)) for key in keys]
