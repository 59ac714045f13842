"""The exceptions that mean bad input: one sentence for the user, exit code 2."""

from __future__ import annotations


class UsageError(Exception):
    """Something that the user can mend; the message says which and how."""


class CorpusError(UsageError):
    """There is no such corpus, or no such entry in it."""


class RecordError(UsageError):
    """A file in `results/` cannot be read."""


class DeviceError(UsageError):
    """A device was asked for that is not there."""


class RunnerError(UsageError):
    """The processes that run programs could not be started, or went away."""
