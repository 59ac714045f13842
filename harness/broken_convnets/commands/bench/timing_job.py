"""What a timing job receives and returns: programs to time in one process, and their times."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

TIME = "broken_convnets.commands.bench.timing_child:time_programs"  # TimingRequest -> Timings
FINGERPRINT = (
    "broken_convnets.commands.bench.timing_child:describe"  # FingerprintRequest -> Machine
)
PRELOAD = ["broken_convnets.commands.bench.timing_child"]


class Call(StrEnum):
    """The part of a program that is timed."""

    FORWARD = "forward"  # a forward pass in eval and inference mode
    RUN = "run"  # the program's `run`, backward passes and optimizer steps included
    FAILURE = "failure"  # everything up to the exception that the program raises


class TimedProgram(Struct, frozen=True):
    """A program, and what to time of it."""

    source: str
    call: Call = Call.FORWARD
    size: str = "small"
    device: str = "cpu"


class TimingRequest(Struct, frozen=True):
    """Time `programs` in turn, in one process, for about `seconds` of processor time.

    `seed` determines the order in which the programs are loaded, and called in turn.
    """

    programs: dict[str, TimedProgram]
    seconds: float
    seed: int = 0


class Timings(Struct, frozen=True):
    """For each round the minimum of each program in nanoseconds a call; or an `error`.

    The error is the exception of a program that cannot be timed, on one line.
    """

    rounds: list[dict[str, float]] = []
    error: str = ""


class FingerprintRequest(Struct, frozen=True):
    """Describe the machine and the process that run timing jobs."""


class Machine(Struct, frozen=True):
    """What the times of a process depend on, besides the programs."""

    fingerprint: dict[str, str]
