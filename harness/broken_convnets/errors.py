"""Exceptions for invalid input: the command line prints one sentence and exits with 2."""

from __future__ import annotations


class UsageError(Exception):
    """The user can correct it; the message says what is wrong, where, and what to do."""


class CorpusError(UsageError):
    """A corpus, or an entry in it, does not exist or cannot be read."""


class RecordError(UsageError):
    """A file in `results/` cannot be read."""


class DeviceError(UsageError):
    """A requested device is not available."""


class RunnerError(UsageError):
    """The processes that run programs could not start, or died."""
