"""Load the programs of a comparison, each in a process of its own that has not run it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.observe.facts import RunRequest
from broken_convnets.observe.remote.subject import RemoteProgram
from broken_convnets.observe.run import connection, require_originals

if TYPE_CHECKING:
    from broken_convnets.observe.remote.connection import Connection


class Loader:
    """Loads programs under one seed, and knows all their processes."""

    def __init__(self, seed: int) -> None:
        """Load with a seed."""
        self._seed = seed
        self._connections: list[Connection] = []

    def load(self, source: str) -> RemoteProgram:
        """Return a program that is only loaded."""

        def start() -> Connection:
            other = connection()
            # As `__main__`: without fork, an import would return the program before it.
            request = RunRequest(source, self._seed, full=False, as_main=True)
            other.ask("load", msgspec.to_builtins(request))
            self._connections.append(other)
            return other

        return RemoteProgram(start(), self._seed, frozenset(_functions(source)), start)

    def end(self) -> None:
        """Require that no program has replaced what answers for it; raises ReplacedError."""
        require_originals(self._connections)


def _functions(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
