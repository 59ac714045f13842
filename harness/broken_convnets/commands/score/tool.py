"""What a tool is to this package, and how one is found by its name.

An author's tool is any executable that speaks the protocol, or a Python object with the
members of `Tool`, announced under the entry point group `broken_convnets.tools`.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from broken_convnets.commands.score import adapters
from broken_convnets.commands.score.protocol import Need
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol import Diagnosis, Request
    from broken_convnets.commands.score.tool_report import ToolRef

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

    def prepare(self) -> None:
        """Load what each process that diagnoses would otherwise load for itself.

        Called for bundled tools only, in the process from which the others are forked: it may
        run no program, and no backward pass, which would start threads.
        """

    def diagnose(self, request: Request) -> Diagnosis:
        """Return what the tool says of one program."""
        raise NotImplementedError

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return what it says of several, in their order; at most `batch` of them."""
        return [self.diagnose(request) for request in requests]


def opened(ref: ToolRef) -> Tool:
    """Return the tool that is meant; raises UsageError where there is none of that name."""
    if ref.argv:
        from broken_convnets.commands.score.executable import Executable  # noqa: PLC0415  (which needs this module)

        return Executable(ref)
    return find(ref.name)


def bundled() -> list[str]:
    """Return the names of the tools that come with this package."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(adapters.__path__)
        if not module.name.startswith("_")
    )


def check_known(name: str) -> None:
    """Raise UsageError, with the names that there are, where no tool has this one."""
    if name in bundled():  # to look through every distribution takes a while
        return
    announced = sorted(entry_points(group=GROUP).names)
    if name not in announced:
        known = ", ".join([*bundled(), *announced])
        message = f"there is no tool called {name!r}: choose from {known}, or give --exec"
        raise UsageError(message)


def find(name: str) -> Tool:
    """Return a bundled tool, or one that a distribution announces; raises UsageError for none."""
    check_known(name)
    if name in bundled():
        make = importlib.import_module(f"{adapters.__name__}.{name}").tool
    else:
        make = entry_points(group=GROUP)[name].load()
    found: Tool = make()
    return found
