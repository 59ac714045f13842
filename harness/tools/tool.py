"""What a tool is to this package, and how one is found by its name.

An author's tool is any executable that speaks the protocol, or a Python object with the
members of `Tool`, announced under the entry point group `broken_convnets.tools`.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from msgspec import Struct

from .. import adapters
from ..errors import UsageError
from .protocol import Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Diagnosis, Request

GROUP = "broken_convnets.tools"


class Tool:
    """A diagnostic tool in Python; subclass it, or give an object with the same members.

    `needs` says what it works from, `batch` how many programs one process may be given.
    An object is made and used in a process of its own, with limits of time and memory.
    """

    needs: frozenset[Need] = frozenset({Need.SOURCE})
    batch: int = 1

    def missing(self) -> str:
        """Return what must be installed first, as one sentence; empty where all is there."""
        return ""

    def version(self) -> str:
        """Return the version of what diagnoses, as results are to name it."""
        raise NotImplementedError

    def diagnose(self, request: Request) -> Diagnosis:
        """Return what the tool says of one program."""
        raise NotImplementedError

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return what it says of several, in their order; at most `batch` of them."""
        return [self.diagnose(request) for request in requests]


class ToolRef(Struct, frozen=True):
    """Which tool it is, in a form that another process can open.

    `argv` is an executable that speaks the protocol; without it `name` is a bundled tool or
    one that a distribution announces.
    """

    name: str
    argv: list[str] = []
    needs: list[Need] = []
    batch: int = 1

    def open(self) -> Tool:
        """Return the tool; raises UsageError where there is none of that name."""
        if self.argv:
            from .executable import Executable  # noqa: PLC0415  (only where one is asked)

            return Executable(self)
        return find(self.name)


def bundled() -> list[str]:
    """Return the names of the tools that come with this package."""
    return sorted(module.name for module in pkgutil.iter_modules(adapters.__path__)
                  if not module.name.startswith("_"))  # fmt: skip


def find(name: str) -> Tool:
    """Return a bundled tool, or one that a distribution announces; raises UsageError for none."""
    if name in bundled():
        module = importlib.import_module(f"{adapters.__name__}.{name}")
        made: Tool = module.tool()
        return made
    announced = {point.name: point for point in entry_points(group=GROUP)}
    if name not in announced:
        known = ", ".join([*bundled(), *sorted(announced)])
        message = f"there is no tool called {name!r}: choose from {known}, or give --exec"
        raise UsageError(message)
    made = announced[name].load()()
    return made
