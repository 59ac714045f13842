"""What tools have in common that read the text and are programs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.score.adapters._process import Ran, lacks, run, version_of
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol import Diagnosis, diagnosed, failed
from broken_convnets.commands.score.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol import Finding, Request

SAID = 300  # characters of a tool's own complaint


class Found(NamedTuple):
    """A finding, and the file that it is about."""

    file: str
    finding: Finding


class StaticTool(Tool):
    """A command that reads files and prints what it found; several files at once are quicker."""

    batch = 20  # far from the limit of time that one process has, on a busy machine too
    executable: str
    lock: str  # the file below tools/ that says what to install
    codes: frozenset[int] = frozenset({0, 1})  # exit codes that come with findings, or none

    def missing(self) -> str:
        """Return what to install."""
        return lacks(self.executable, install=f"`nox -s tools -- {self.lock}` installs it")

    def version(self) -> str:
        """Return what the command says of itself."""
        return version_of(self.executable)

    def command(self, request: Request) -> list[str]:
        """Return the command line without its files."""
        raise NotImplementedError

    def parse(self, out: str) -> list[Found]:
        """Return the findings in what the command printed; ValueError, KeyError for nonsense."""
        raise NotImplementedError

    def diagnose(self, request: Request) -> Diagnosis:
        """Return what the tool says of one program."""
        return self.diagnose_all([request])[0]

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return what the tool says of several, asked in one go."""
        files = [str(Path(request.file).resolve()) for request in requests]
        seconds = sum(request.seconds for request in requests)
        ran = run([*self.command(requests[0]), *files], seconds)
        if ran.code not in self.codes:
            return [failed(_complaint(self.executable, ran))] * len(requests)
        try:
            rows = self.parse(ran.out)
        except (ValueError, KeyError, TypeError) as error:
            why = f"{self.executable} printed no answer that can be read: {error!r}"
            return [failed(why)] * len(requests)
        return [
            diagnosed([row.finding for row in rows if str(Path(row.file).resolve()) == file])
            for file in files
        ]


def _complaint(name: str, ran: Ran) -> str:
    how = "was stopped" if ran.code is None else f"ended with exit code {ran.code}"
    said = brief((ran.err or ran.out)[-SAID:])
    return f"{name} {how}: {said}" if said else f"{name} {how}"
