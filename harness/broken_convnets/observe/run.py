"""Run one program in this process and report what happened, without judging it."""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from broken_convnets.observe.describe import describe
from broken_convnets.observe.facts import (
    CheckResult,
    CostReport,
    ExceptionInfo,
    InputSummary,
    Observation,
    RunRequest,
)
from broken_convnets.observe.failure import expression
from broken_convnets.observe.forward_timing import forward_call, median_ns
from broken_convnets.observe.laws import judge
from broken_convnets.observe.op_counter import count_forward
from broken_convnets.observe.program import FILE_NAME, Program
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.recorder.passes import running_modules
from broken_convnets.observe.trees import tensors
from broken_convnets.util.mask import mask, mask_error
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

NOT_FINITE = 1e300  # stands for NaN and the infinities, which JSON does not know


class _Stopped(Exception):  # noqa: N818  (carries an error, is none)
    """Carries out of the plain run what a program raised, and at which stage."""

    def __init__(self, stage: Stage, error: BaseException) -> None:
        super().__init__(stage)
        self.stage = stage
        self.error = error


def observe(request: RunRequest, synchronize: Callable[[], None] | None = None) -> Observation:
    """Run a program in the working directory and return the facts.

    Whatever the program raises is a fact; nothing it raises leaves this function.
    `synchronize` waits for the device, so that an asynchronous error counts for the stage
    that caused it; by default that of the request's device.
    """
    return observe_program(request, synchronize)[0]


def observe_program(
    request: RunRequest, synchronize: Callable[[], None] | None = None
) -> tuple[Observation, Program | None]:
    """Return the facts, and the program itself, or None if its plain run raised."""
    file = Path.cwd() / FILE_NAME
    recorder = Recorder(Options(calls=True))
    with warnings.catch_warnings(record=True) as warned, recorder:
        warnings.simplefilter("always")
        try:
            program, output = _run(request, synchronize or _synchronizer(request.device))
        except _Stopped as stop:
            raised = _raised(stop, recorder, failing_text(stop.error, file, request.source))
            return Observation(raised=raised, layers=recorder.record.layers(stop.error)), None
    with torch.device(request.device):
        text = describe(output)
    seen = Observation(
        output=text,
        given=_given(program),
        layers=recorder.record.layers(),
        laws={Law.NO_WARNINGS: _warnings(warned), **judge(program, structural=request.full)},
        forward_ns=_time(program) if request.full else None,
    )
    return seen, program


def count(request: RunRequest) -> CostReport:
    """Return the cost of a program's forward pass in eval mode, or what it raised."""
    try:
        program = Program.load(request.source, request.seed, request.device)
        net, inputs = program.net().eval(), program.inputs()
        with program.device, torch.no_grad():
            return CostReport(count_forward(net, inputs))
    except BaseException as error:  # noqa: BLE001  (a program may run without a plain forward pass)
        message = mask_error(error)
        return CostReport(raised=ExceptionInfo(Stage.FORWARD, type(error).__name__, message))


def _run(request: RunRequest, synchronize: Callable[[], None]) -> tuple[Program, object]:
    program = _at(
        Stage.IMPORT, synchronize, Program.load, request.source, request.seed, request.device
    )
    net = _at(Stage.BUILD, synchronize, program.net)
    inputs = _at(Stage.INPUTS, synchronize, program.inputs)
    targets = _at(Stage.INPUTS, synchronize, program.targets)
    stage = Stage.RUN if program.has_run else Stage.FORWARD
    return program, _at(stage, synchronize, program.run, net, inputs, targets)


def _at(
    stage: Stage,
    synchronize: Callable[[], None],
    call: Callable[..., Result],
    *arguments: Any,
) -> Result:
    try:
        result = call(*arguments)
        synchronize()
    except BaseException as error:
        if stage is Stage.RUN and arguments[0] in running_modules(error):
            stage = Stage.FORWARD
        raise _Stopped(stage, error) from error
    return result


def _raised(stop: _Stopped, recorder: Recorder, at: str) -> ExceptionInfo:
    modules, shown = running_modules(stop.error), recorder.record.last_pass
    return ExceptionInfo(
        stage=stop.stage,
        type=type(stop.error).__name__,
        message=mask_error(stop.error),
        expression=at,
        layer=shown.path(modules[-1]) if modules and shown else "",
    )


def failing_text(error: BaseException, file: Path, source: str) -> str:
    """Return the text of the innermost expression of a program that raised.

    Empty where no frame of `file`, whose text was `source`, is in the traceback.
    """
    if isinstance(error, SyntaxError):
        return ""
    inner, step = None, error.__traceback__
    while step is not None:  # all entries at once would read the source files of torch
        if step.tb_frame.f_code.co_filename == str(file):
            inner = step
        step = step.tb_next
    return expression(traceback.extract_tb(inner, limit=1)[0], source) if inner else ""


def _given(program: Program) -> InputSummary:
    """Return a summary of the inputs, which are created again: the run may have changed them."""
    net, inputs = program.net(), program.inputs()
    numbers = [
        torch.nan_to_num(tensor.detach().double(), NOT_FINITE, NOT_FINITE, -NOT_FINITE)
        for tensor in tensors(inputs)
        if tensor.numel()
    ]
    first = numbers[0] if numbers else torch.zeros(1)
    channels = first.flatten(2).mean(dim=(0, 2)).tolist() if first.ndim > 2 else []  # noqa: PLR2004  (N, C, ...)
    with program.device:
        text = ", ".join(describe(value) for value in inputs)
    counts = [(p.numel(), p.requires_grad) for p in net.parameters()]
    return InputSummary(
        inputs=text,
        low=min((float(tensor.min()) for tensor in numbers), default=0.0),
        high=max((float(tensor.max()) for tensor in numbers), default=0.0),
        channels=channels,
        parameters=(sum(n for n, trained in counts if trained), sum(n for n, _ in counts)),
    )


def _warnings(warned: list[warnings.WarningMessage]) -> CheckResult:
    if not warned:
        return CheckResult(holds=True)
    first = warned[0]
    return CheckResult(holds=False, note=mask(f"{first.category.__name__}: {first.message}"))


def _time(program: Program) -> float | None:
    """Return the median time of a forward pass; None if there is no plain one."""
    try:
        net, inputs = program.net(), program.inputs()
        with program.device:
            return median_ns(forward_call(net, inputs))
    except Exception:  # noqa: BLE001  (as above)
        return None


def _synchronizer(device: str) -> Callable[[], None]:
    if torch.device(device).type == "cuda":
        wait: Callable[[], None] = torch.cuda.synchronize
        return wait
    return lambda: None
