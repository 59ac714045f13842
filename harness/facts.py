"""What is said between the harness and the processes it starts: jobs out, facts back."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from .tools.protocol import Diagnosis, Need, Request
from .vocabulary import STRUCTURAL, Law, Stage

SECOND = 1_000_000_000  # nanoseconds


class Limits(Struct, frozen=True):
    """What one program may use, and how many run at a time."""

    seconds: float = 10.0
    memory_bytes: int = 1 << 30  # beyond what the process starts with
    output_bytes: int = 1 << 16  # of stdout and stderr; the rest is read and dropped
    workers: int = 1


class Task(StrEnum):
    """What a process is to do with a program."""

    OBSERVE = "observe"  # run it and say what happened
    COUNT = "count"  # say what its forward pass costs
    PLAY = "play"  # run it as Python would, for its traceback alone
    DIAGNOSE = "diagnose"  # hand it to a diagnostic tool


class ToolRef(Struct, frozen=True):
    """Which diagnostic tool, in a form that another process can open (`tools/tool.py`).

    `argv` is an executable that speaks the protocol; without it `name` is a bundled tool or
    one that a distribution announces.
    """

    name: str
    argv: list[str] = []
    needs: list[Need] = []
    batch: int = 1


class Job(Struct, frozen=True):
    """One program to run once. It does not say which side of a pair it is.

    The first run of a side also judges the laws of structure and times the forward pass.
    `lesson` asks for the facts that a learner needs; it is what tracebacks call the file.
    A `tool` is given `requests` instead; with none of these it says what it is.
    """

    number: int
    source: str = ""
    seed: int = 0
    device: str = "cpu"
    first: bool = True
    lesson: str = ""
    task: Task = Task.OBSERVE
    tool: ToolRef | None = None
    requests: tuple[Request, ...] = ()  # a job is hashable


class Layer(Struct, frozen=True):
    """One module call of the last forward pass: what it took and what it gave."""

    path: str  # as in named_modules(); empty for the network itself
    type: str
    takes: str
    gives: str | None = None  # None where the call did not come back
    failed: bool = False
    named: str = ""  # what it took by keyword
    depth: int = 0  # how many calls it was inside of
    marks: list[str] = []  # what first came in or out here: None, non-finite values


class Raised(Struct, frozen=True):
    """An exception that left a program."""

    stage: Stage
    type: str
    message: str
    at: str = ""  # source text of the failing expression in the program
    layer: str = ""  # path of the innermost module that was running


class Finding(Struct, frozen=True):
    """What one law said of a network: held, broken, or not applicable (None)."""

    holds: bool | None
    note: str = ""


class Given(Struct, frozen=True):
    """What a program was run with. Its numbers differ from seed to seed."""

    inputs: str
    low: float  # the smallest and largest of all input values
    high: float
    channels: list[float]  # the mean of each channel of the first input
    parameters: tuple[int, int]  # how many numbers are trainable, and how many there are


class Lesson(Struct, frozen=True):
    """What a learner is shown and judged by beyond the laws (`lesson.py`)."""

    traceback: str = ""  # of the file run as a program; its line numbers are true
    printed: str = ""
    layers: dict[str, int] = {}  # by type, those that a run calls
    parameters: list[str] = []  # their names
    follows: list[str] = []  # the parameters and samples on which its result depends
    patterns: dict[str, list[int]] = {}  # which values of the data are equal


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """What one forward pass in eval mode asks of torch; the same on every run.

    Storages that operators return are what counts as allocated: not what a kernel needs
    while it works, which depends on the processor.
    """

    flops: int  # of convolutions and matrix products, by torch's own formulas
    output_bytes: int  # of all that operators return, views included
    allocations: int  # storages made
    peak_bytes: int  # most bytes in such storages at one time
    operators: list[str]  # how often, which, with what dtypes, in the order of first use


class Told(Struct, frozen=True):
    """What a diagnostic tool says: of itself, and a diagnosis for each request in their order.

    `missing` names what must be installed before it can be asked.
    """

    version: str = ""
    needs: list[Need] = []
    batch: int = 1
    missing: str = ""
    diagnoses: list[Diagnosis] = []
    seconds: float = 0.0  # for all of them


class Observation(Struct, frozen=True):
    """The facts of one run. `forward_ns` is the median time of a forward pass."""

    raised: Raised | None = None
    output: str | None = None
    given: Given | None = None
    layers: list[Layer] = []
    laws: dict[Law, Finding] = {}
    forward_ns: float | None = None
    lesson: Lesson | None = None
    cost: Cost | None = None
    told: Told | None = None

    @property
    def repeatable(self) -> tuple[object, ...]:
        """The facts that every run of one program must agree on."""
        findings = self.laws.items()
        laws = {law: finding.holds for law, finding in findings if law not in STRUCTURAL}
        return (self.raised, self.output, self.layers, laws)


class End(StrEnum):
    """How a program's process ended."""

    OBSERVED = "observed"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


class Ending(Struct, frozen=True):
    """What became of a job."""

    job: int
    end: End
    detail: str = ""
    observation: Observation | None = None


class Hello(Struct, frozen=True):
    """What a process that is about to run programs says of itself first.

    `devices` gives for each kind of device the reason why it is not there; empty if it is.
    """

    python: str
    torch: str
    torchvision: str
    devices: dict[str, str]
    isolation: str
