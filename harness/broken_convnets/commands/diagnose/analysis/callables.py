"""The code that runs when an object is called, and the files that define its class."""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


def code_of(called: object) -> object:
    """Return the code that runs when an object is called; None if that is not Python."""
    if isinstance(called, nn.Module):
        called = type(called).forward
    if inspect.isclass(called):
        called = called.__init__
    if isinstance(called, MethodType):
        called = called.__func__
    if not isinstance(called, FunctionType):
        called = vars(type(called)).get("__call__", called)
    called = inspect.unwrap(called) if isinstance(called, FunctionType) else called
    return getattr(called, "__code__", None)


def class_sources(evidence: Evidence, owner: object) -> list[Source]:
    """Return the user's files that define the classes of an object, without repetition."""
    files: dict[str, None] = {}
    for one in type(owner).__mro__:
        initializer = vars(one).get("__init__") or vars(one).get("forward")
        code = getattr(initializer, "__code__", None)
        if code is not None and is_user_file(code.co_filename):
            files[code.co_filename] = None
    found = (evidence.source(name) for name in files)
    return [source for source in found if source is not None]
