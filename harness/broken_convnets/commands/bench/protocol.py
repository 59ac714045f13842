"""What a comparison and its workers say to each other, as JSON lines."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Call(StrEnum):
    """What of a program is timed."""

    FORWARD = "forward"  # a forward pass in eval and inference mode
    RUN = "run"  # what the program is for, backward pass and optimizer steps included
    FAILURE = "failure"  # from the import of the program to what it raises


class Target(Struct, frozen=True):
    """A program to time."""

    source: str
    call: Call = Call.FORWARD
    size: str = "small"
    device: str = "cpu"


class Open(Struct, frozen=True, tag=True):
    """Load programs, in this order, into a child of the worker."""

    targets: dict[str, Target]


class Time(Struct, frozen=True, tag=True):
    """Take one sample of each named program, in this order, of `repeat` calls each."""

    names: list[str]
    repeat: int = 1


class Close(Struct, frozen=True, tag=True):
    """Let the child end."""


class Ready(Struct, frozen=True, tag=True):
    """The worker is there; `fingerprint` says under what it times."""

    fingerprint: dict[str, str]


class Opened(Struct, frozen=True, tag=True):
    """The programs are loaded and warm; the least time of a call of each, in nanoseconds."""

    ns: dict[str, float]


class Times(Struct, frozen=True, tag=True):
    """A sample for each name, in nanoseconds a call."""

    ns: list[float]


class Failed(Struct, frozen=True, tag=True):
    """A program cannot be timed, and why."""

    reason: str


Request = Open | Time | Close
Reply = Ready | Opened | Times | Failed
