"""The base class of static tools: executables that read the source of programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.score.adapters._process import (
    CommandResult,
    missing_executables,
    run_command,
    version_of,
)
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import diagnosis_of, error_diagnosis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Request

ERROR_LIMIT = 300  # characters of a tool's error output


class FileFinding(NamedTuple):
    """A finding and the path of its file."""

    file: str
    finding: Finding


class StaticTool(Tool):
    """A command that reads files and prints findings; several files per call are faster."""

    batch = 20  # few enough for the time limit, also on a busy machine
    executable: str
    lock: str  # requirements/tools/<lock>.txt pins what to install
    codes: frozenset[int] = frozenset({0, 1})  # exit codes of a complete run

    def missing(self) -> str:
        """Return what to install; empty if the executable is on the PATH."""
        return missing_executables(
            self.executable, install=f"`nox -s tools -- {self.lock}` installs it"
        )

    def version(self) -> str:
        """Return the version that the command prints."""
        return version_of(self.executable)

    def command(self, request: Request) -> list[str]:
        """Return the command line without the files."""
        raise NotImplementedError

    def parse(self, out: str) -> list[FileFinding]:
        """Return the findings in the output.

        Raises ValueError, KeyError or TypeError if the output is invalid.
        """
        raise NotImplementedError

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the diagnosis of one program."""
        return self.diagnose_all([request])[0]

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return the diagnoses of several programs, from one call of the command."""
        files = [str(Path(request.file).resolve()) for request in requests]
        seconds = sum(request.seconds for request in requests)
        ran = run_command([*self.command(requests[0]), *files], seconds)
        if ran.code not in self.codes:
            return [error_diagnosis(_failure(self.executable, ran))] * len(requests)
        try:
            rows = self.parse(ran.out)
        except (ValueError, KeyError, TypeError) as error:
            why = f"cannot parse the output of {self.executable}: {error!r}"
            return [error_diagnosis(why)] * len(requests)
        return [
            diagnosis_of([row.finding for row in rows if str(Path(row.file).resolve()) == file])
            for file in files
        ]


def _failure(name: str, ran: CommandResult) -> str:
    how = "timed out" if ran.code is None else f"failed with exit code {ran.code}"
    output = brief((ran.err or ran.out)[-ERROR_LIMIT:])
    return f"{name} {how}: {output}" if output else f"{name} {how}"
