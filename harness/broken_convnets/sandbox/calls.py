"""Find the function that a job names, decode its payload, and encode what it returns."""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.sandbox.wire import QueuedJob


def preload(modules: list[str], *, forks: bool) -> str:
    """Import modules and configure them; warm them up if this process `forks`.

    Returns an empty text, or which module cannot be imported and why.
    """
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            return f"{name} cannot be imported: {error}"
        for hook in ("configure", "warm_up") if forks else ("configure",):
            if hasattr(module, hook):
                getattr(module, hook)()
    return ""


def prepare(job: QueuedJob) -> None:
    """Import the module of a job and call its `prepare`, if it has one, with the payload."""
    function = _function(job.call)
    module = sys.modules[function.__module__]
    if hasattr(module, "prepare"):
        module.prepare(_payload(job, function))


def run(job: QueuedJob) -> bytes:
    """Call the function of a job and return the JSON of its result.

    Raises ImportError or AttributeError for an unknown function, msgspec.ValidationError for a
    payload of another type, and whatever the function raises.
    """
    function = _function(job.call)
    return msgspec.json.encode(function(_payload(job, function)))


def _function(call: str) -> Callable[[Any], Any]:
    module, _, name = call.partition(":")
    function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    return function


def _payload(job: QueuedJob, function: Callable[[Any], Any]) -> Any:
    return msgspec.json.decode(job.payload, type=_payload_type(function))


def _payload_type(function: Callable[[Any], Any]) -> Any:
    """Return the type of the first parameter; the others may name types for checkers alone."""
    parameter = next(iter(inspect.signature(function).parameters.values()))
    declared = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    return typing.get_type_hints(declared, vars(sys.modules[function.__module__]))[parameter.name]
