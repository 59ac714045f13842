"""The plain run of a program, stage by stage, in the process of the program itself."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from msgspec import Struct

from broken_convnets.observe.describe import default_device
from broken_convnets.observe.facts import ExceptionInfo, Layer, RunRequest
from broken_convnets.observe.failure import expression
from broken_convnets.observe.program import FILE_NAME, MAIN, Program
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.recorder.passes import running_modules
from broken_convnets.observe.warning_recorder import recorded_warnings
from broken_convnets.util.mask import mask_error
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORTED = Path(FILE_NAME).stem  # the program's name in messages, whether it runs as main or not
Result = TypeVar("Result")


class PlainRun(Struct, frozen=True):
    """What the plain run of a program did. `functions` are the names that the program defines."""

    raised: ExceptionInfo | None = None
    layers: list[Layer] = []
    warnings: list[str] = []
    functions: list[str] = []
    device: str = "cpu"  # the type of the default device


class _Stopped(Exception):  # noqa: N818  (carries an error, is none)
    """Carries out of the plain run what a program raised, and at which stage."""

    def __init__(self, stage: Stage, error: BaseException) -> None:
        super().__init__(stage)
        self.stage = stage
        self.error = error


def plain_run(
    request: RunRequest, synchronize: Callable[[], None] | None = None
) -> tuple[PlainRun, Program | None, object]:
    """Run a program in the working directory; return what it did, itself, and its output.

    Whatever the program raises is a fact; nothing it raises leaves this function, and then there
    is no program. `synchronize` waits for the device, so that an asynchronous error counts for
    the stage that caused it; by default that of the request's device.
    """
    file = Path.cwd() / FILE_NAME
    recorder = Recorder(Options(calls=True))
    with recorded_warnings(str(file)) as warned, recorder:
        try:
            program, output = _run(request, synchronize or _synchronizer(request.device))
        except _Stopped as stop:
            raised = _raised(stop, recorder, failing_text(stop.error, file, request.source))
            return PlainRun(raised, recorder.record.layers(stop.error)), None, None
    with torch.device(request.device):
        device = default_device()
    seen = PlainRun(None, recorder.record.layers(), warned.texts, program.functions(), device)
    return seen, program, output


def _run(request: RunRequest, synchronize: Callable[[], None]) -> tuple[Program, object]:
    load = partial(Program.load, as_main=request.as_main)
    program = _at(Stage.IMPORT, synchronize, load, request.source, request.seed, request.device)
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
        message=mask_error(stop.error).replace(MAIN, IMPORTED),
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


def _synchronizer(device: str) -> Callable[[], None]:
    if torch.device(device).type == "cuda":
        wait: Callable[[], None] = torch.cuda.synchronize
        return wait
    return lambda: None
