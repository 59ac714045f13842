"""A tool that is any executable: JSON in, JSON out, in the folder of the program.

Limits of time and memory are those of the process that asks; here only the output is bounded.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.protocol import Diagnosis, ProtocolError, Request, failed, read
from broken_convnets.commands.score.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.tool_report import ToolRef

OUTPUT_BYTES = 4 << 20  # of one process' answers
VERSION_SECONDS = 20


def clean_environment() -> dict[str, str]:
    """Return the environment without what would steer Python or torch in the tool's process."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "TORCH", "PYTORCH"))
    }


class Executable(Tool):
    """Speaks to an executable: one JSON request on its standard input, one JSON diagnosis back.

    With `batch` above 1 both are JSON lines, and each diagnosis has the `id` of its request.
    Exit code 0 says that the answer is there, whatever it is.
    """

    def __init__(self, ref: ToolRef) -> None:
        """Take command and needs from `ref`."""
        self._argv = ref.argv
        self.needs = frozenset(ref.needs)
        self.batch = ref.batch

    def version(self) -> str:
        """Return the first line that it prints for `--version`; "unknown" where it fails."""
        try:
            asked = subprocess.run(
                [*self._argv, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=VERSION_SECONDS,
                env=clean_environment(),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        lines = asked.stdout.decode(errors="replace").split("\n")
        return lines[0].strip()[:80] if asked.returncode == 0 and lines[0].strip() else "unknown"

    def diagnose(self, request: Request) -> Diagnosis:
        """Return its answer; where that is none, a diagnosis that says so."""
        code, answer = self._ask(msgspec.json.encode(request), Path(request.file).parent)
        if code:
            return failed(f"exit status {code}")
        try:
            return read(answer)
        except ProtocolError as error:
            return failed(str(error))

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return its answers; those that it does not give, or gives twice, are failures."""
        if self.batch == 1:
            return [self.diagnose(request) for request in requests]
        lines = b"".join(msgspec.json.encode(request) + b"\n" for request in requests)
        code, answer = self._ask(lines, Path(requests[0].file).parent.parent)
        if code:
            message = f"exit status {code}"
            raise ProtocolError(message)
        found: dict[str, list[Diagnosis]] = {}
        for line in answer.splitlines():
            diagnosis = read(line)
            found.setdefault(diagnosis.id, []).append(diagnosis)
        return [_only(found.get(request.id, [])) for request in requests]

    def _ask(self, question: bytes, folder: Path) -> tuple[int, bytes]:
        """Return exit code and output; the question is a file, so that neither side can block."""
        with tempfile.TemporaryFile() as asked:
            asked.write(question)
            asked.seek(0)
            with subprocess.Popen(
                self._argv, stdin=asked, stdout=subprocess.PIPE, cwd=folder, env=clean_environment()
            ) as process:
                stream = process.stdout
                answer = stream.read(OUTPUT_BYTES + 1) if stream else b""
                if len(answer) > OUTPUT_BYTES:
                    process.kill()
                    message = f"no diagnosis: more than {OUTPUT_BYTES >> 20} MiB of output"
                    raise ProtocolError(message)
            return process.returncode, answer


def _only(found: list[Diagnosis]) -> Diagnosis:
    if len(found) == 1:
        return found[0]
    return failed("no diagnosis with the id of the request" if not found else "several diagnoses")
