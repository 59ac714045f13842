"""The facts of one run of a program, as they leave the process that ran it."""

from __future__ import annotations

from msgspec import Struct

from broken_convnets.sandbox.job import JobResult
from broken_convnets.vocabulary import STRUCTURAL, Law, Stage


class RunRequest(Struct, frozen=True):
    """A program to run once; it does not say which side of a pair it is.

    A `full` run also judges the laws of structure and times the forward pass. With `as_main`, the
    program is the module `__main__`, as if it had been started and not imported.
    """

    source: str
    seed: int = 0
    device: str = "cpu"
    full: bool = True
    as_main: bool = False


class ScriptRequest(Struct, frozen=True):
    """A program to run as Python runs a file; `name` is what tracebacks call the file.

    After `stop_after` seconds it is interrupted by a TimeoutError, unless that is 0.
    """

    source: str
    name: str
    seed: int = 0
    stop_after: float = 0.0


class ScriptRun(Struct, frozen=True):
    """What Python printed for a program: its traceback, if it raised, and its output."""

    traceback: str = ""
    printed: str = ""


class RuntimeRequest(Struct, frozen=True):
    """A question for the runtime that programs run under; it has no parameters."""


class RuntimeInfo(Struct, frozen=True):
    """The versions and devices that programs run with.

    `devices` holds for each kind of device why it is not available; empty if it is.
    """

    python: str
    torch: str
    torchvision: str
    devices: dict[str, str]


class Layer(Struct, frozen=True):
    """One module call of a forward pass: its inputs and its output, described."""

    path: str  # as in named_modules(); empty for the network itself
    type: str
    inputs: str
    output: str | None = None  # None if the call did not return
    failed: bool = False
    kwargs: str = ""
    depth: int = 0  # how many calls it was inside of
    annotations: list[str] = []  # "returned None", "first non-finite value in the output"
    attribute: str = ""  # of its caller, for a module that is not registered: "blocks[0]"


class ExceptionInfo(Struct, frozen=True):
    """An exception that left a program."""

    stage: Stage
    type: str
    message: str
    expression: str = ""  # source text of the failing expression in the program
    layer: str = ""  # path of the innermost module that was running


class CheckResult(Struct, frozen=True):
    """Whether a law holds for a network: yes, no, or not applicable (None)."""

    holds: bool | None
    note: str = ""


class InputSummary(Struct, frozen=True):
    """What a program was run with. Its numbers differ from seed to seed."""

    inputs: str
    low: float  # the smallest and largest of all input values
    high: float
    channels: list[float]  # the mean of each channel of the first input
    parameters: tuple[int, int]  # how many numbers are trainable, and how many there are


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """What one forward pass in eval mode asks of torch; the same on every run.

    Storages that operators return are what counts as allocated: not what a kernel needs
    while it works, which depends on the processor.
    """

    flops: int  # of convolutions and matrix products, by torch's own formulas
    output_bytes: int  # of all that operators return, views included
    allocations: int  # storages that operators allocate
    peak_bytes: int  # most bytes in such storages at one time
    operators: list[str]  # how often, which, with what dtypes, in the order of first use


class Observation(Struct, frozen=True):
    """The facts of one run. `forward_ns` is the median time of a forward pass.

    Only a `full` run has results for the laws of structure.
    """

    raised: ExceptionInfo | None = None
    output: str | None = None
    given: InputSummary | None = None
    layers: list[Layer] = []
    laws: dict[Law, CheckResult] = {}
    forward_ns: float | None = None
    full: bool = True

    @property
    def repeatable(self) -> tuple[object, ...]:
        """The facts that every run of one program must agree on."""
        findings = self.laws.items()
        laws = {law: finding.holds for law, finding in findings if law not in STRUCTURAL}
        return (self.raised, self.output, self.layers, laws)


class CostReport(Struct, frozen=True):
    """What counting a program's forward pass returned: its cost, or what it raised."""

    cost: Cost | None = None
    raised: ExceptionInfo | None = None


Run = JobResult[Observation]  # one run of a program in the sandbox
