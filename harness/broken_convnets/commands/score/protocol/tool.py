"""The Python interface of a diagnostic tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.protocol.messages import Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol.messages import Diagnosis, Request


class Tool:
    """A diagnostic tool in Python. Subclass it, or write a class with the same members.

    `needs` lists the inputs of the tool. `batch` is the maximum number of programs per process.
    Every instance is created and used in a separate process with time and memory limits.
    """

    needs: frozenset[Need] = frozenset({Need.SOURCE})
    batch: int = 1

    def missing(self) -> str:
        """Return one sentence that says what to install; empty if everything is installed."""
        return ""

    def version(self) -> str:
        """Return the version to record with the results."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Load what every process of the tool needs, once, before the processes are forked.

        Called for bundled tools only. It must not run a program or a backward pass: those
        start threads, which do not survive a fork.
        """

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the diagnosis of one program."""
        raise NotImplementedError

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return the diagnoses of at most `batch` programs, in the order of the requests."""
        return [self.diagnose(request) for request in requests]
