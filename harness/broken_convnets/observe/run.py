"""Judge one run of a program: this process is trusted, the program runs in another one.

The program's process loads it, runs it, and answers what this one asks: a forward pass, a run, a
gradient. The laws, the finite values and the clock are here. docs/verification.md says what a
program could still claim about itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import torch

from broken_convnets.observe.devices import creating_on
from broken_convnets.observe.facts import (
    CheckResult,
    CostReport,
    ExceptionInfo,
    InputSummary,
    Observation,
    RunRequest,
    ScriptRequest,
    ScriptRun,
)
from broken_convnets.observe.forward_timing import forward_ns
from broken_convnets.observe.laws import judge
from broken_convnets.observe.op_counter import count_forward
from broken_convnets.observe.plain_run import PlainRun
from broken_convnets.observe.program import Program
from broken_convnets.observe.remote.answering import Answering
from broken_convnets.observe.remote.connection import Connection
from broken_convnets.observe.remote.describe_value import describe_value
from broken_convnets.observe.remote.subject import RemoteProgram
from broken_convnets.observe.remote.values import TupleValue, Value
from broken_convnets.observe.subject import SubjectError
from broken_convnets.observe.trees import tensors
from broken_convnets.sandbox.confined import Confined
from broken_convnets.util.mask import mask_error
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED = 3  # functions in a message
NOT_FINITE = 1e300  # stands for NaN and the infinities, which JSON does not know


class ReplacedError(Exception):
    """A program has replaced functions that its own process needs to answer."""


def observe(request: RunRequest) -> Observation:
    """Run a program in the working directory of a process beside this one; return the facts.

    Whatever the program raises is a fact. If its process ends early, so does this one.
    """
    program = ObservedProgram(request)
    program.end()
    return program.observation


class ObservedProgram:
    """A program whose plain run has ended, the facts of it, and the program for more questions.

    `subject` is None if the plain run raised.
    """

    def __init__(self, request: RunRequest) -> None:
        """Start the program's process, run the program, and judge it by the laws."""
        self._connection = connection()
        self._request = msgspec.to_builtins(request)
        self._others: list[Connection] = []
        found = self._connection.value("plain_run", self._request)
        seen, output = self._parts(found)
        self.subject: RemoteProgram | None = None
        if seen.raised:
            self.observation = Observation(raised=seen.raised, layers=seen.layers)
            return
        subject = RemoteProgram(
            self._connection, request.seed, frozenset(seen.functions), self._load
        )
        self.subject = subject
        self.observation = Observation(
            output=describe_value(output, seen.device),
            given=self._given(subject, seen.device),
            layers=seen.layers,
            laws={
                Law.NO_WARNINGS: _warnings(seen.warnings),
                **judge(subject, structural=request.full),
            },
            forward_ns=self._forward_ns(subject) if request.full else None,
            full=request.full,
        )

    def end(self) -> None:
        """Require that the program's process still answers, and has its functions unchanged.

        If it has ended, this one ends like it. Raises ReplacedError for functions of torch or of
        this package that the program has replaced.
        """
        require_originals([self._connection, *self._others])

    def _load(self) -> Connection:
        """Load the program in one more process, where it has not run."""
        other = connection()
        other.ask("load", self._request)
        self._others.append(other)
        return other

    def _parts(self, found: Value) -> tuple[PlainRun, Value]:
        if not isinstance(found, TupleValue):
            message = "the plain run has another form than a pair"
            raise TypeError(message)
        seen, output = found.items
        return msgspec.convert(self._connection.decode(seen), PlainRun), output

    def _given(self, subject: RemoteProgram, device: str) -> InputSummary:
        """Return a summary of the inputs, created again: the run may have changed them."""
        net, values = subject.build(), self._connection.value("inputs", None)
        items = values.items if isinstance(values, TupleValue) else [values]
        counts = [(one.numel(), one.requires_grad) for one in net.parameters().values()]
        return _summary(
            tensors(self._connection.decode(values)),
            ", ".join(describe_value(value, device) for value in items),
            (sum(n for n, trained in counts if trained), sum(n for n, _ in counts)),
        )

    def _forward_ns(self, subject: RemoteProgram) -> float | None:
        """Return the median time of a forward pass by this process' clock; None without one."""
        net, inputs = subject.build().eval(), subject.inputs()
        try:
            return forward_ns(
                lambda: self._connection.value("inference", net.handle, inputs),
                lambda: self._connection.value("ping"),
            )
        except SubjectError:
            return None


def script_run(request: ScriptRequest) -> ScriptRun:
    """Run a program as a script, in another new process; return what Python printed."""
    found = connection().ask("script", msgspec.to_builtins(request))
    return msgspec.convert(found, ScriptRun)


def connection() -> Connection:
    """Start a process for a program, and return the connection to it."""
    return Connection(Confined(lambda: Answering().handle).ask)


def require_originals(connections: Iterable[Connection]) -> None:
    """Require that the processes of a program still answer, with the functions of torch and ours.

    Raises ReplacedError for functions that the program has replaced.
    """
    for one in connections:
        names = one.ask("finish")
        if names:
            message = f"the program has replaced {', '.join(map(str, names[:NAMED]))}"
            raise ReplacedError(message)


def count(request: RunRequest) -> CostReport:
    """Return the cost of a program's forward pass in eval mode, or what it raised."""
    try:
        program = Program.load(request.source, request.seed, request.device)
        net, inputs = program.net().eval(), program.inputs()
        with creating_on(program.device), torch.no_grad():
            return CostReport(count_forward(net, inputs))
    except BaseException as error:  # noqa: BLE001  (a program may run without a plain forward pass)
        message = mask_error(error)
        return CostReport(raised=ExceptionInfo(Stage.FORWARD, type(error).__name__, message))


def _summary(inputs: list[torch.Tensor], text: str, parameters: tuple[int, int]) -> InputSummary:
    numbers = [
        torch.nan_to_num(tensor.detach().double(), NOT_FINITE, NOT_FINITE, -NOT_FINITE)
        for tensor in inputs
        if tensor.numel() and not tensor.is_meta
    ]
    first = numbers[0] if numbers else torch.zeros(1)
    channels = first.flatten(2).mean(dim=(0, 2)).tolist() if first.ndim > 2 else []  # noqa: PLR2004  (N, C, ...)
    return InputSummary(
        inputs=text,
        low=min((float(tensor.min()) for tensor in numbers), default=0.0),
        high=max((float(tensor.max()) for tensor in numbers), default=0.0),
        channels=channels,
        parameters=parameters,
    )


def _warnings(texts: list[str]) -> CheckResult:
    return CheckResult(holds=not texts, note=texts[0] if texts else "")
