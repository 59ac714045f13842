"""A tool that is an executable: JSON requests on its standard input, JSON diagnoses back.

The sandboxed process that calls this module limits time and memory; this module limits only
the size of the output.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import (
    ProtocolError,
    decode_diagnosis,
    error_diagnosis,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.protocol.messages import Diagnosis, Request
    from broken_convnets.commands.score.tool_jobs import ToolRef

OUTPUT_BYTES = 4 << 20  # per process
VERSION_SECONDS = 20


def clean_environment() -> dict[str, str]:
    """Return the environment without the variables that configure Python or torch."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "TORCH", "PYTORCH"))
    }


class Executable(Tool):
    """An executable that reads one JSON request and prints one JSON diagnosis.

    If `batch` is above 1, both are JSON lines, and each diagnosis repeats the `id` of its
    request. Exit code 0 means that the diagnoses are complete, whatever they say.
    """

    def __init__(self, ref: ToolRef) -> None:
        """Use the command, needs and batch of `ref`."""
        self._argv = ref.argv
        self.needs = frozenset(ref.needs)
        self.batch = ref.batch

    def version(self) -> str:
        """Return the first line of `--version`, or "unknown" if that fails."""
        try:
            done = subprocess.run(
                [*self._argv, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=VERSION_SECONDS,
                env=clean_environment(),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        line = done.stdout.decode(errors="replace").partition("\n")[0].strip()
        return line[:80] if done.returncode == 0 and line else "unknown"

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the diagnosis, or an error diagnosis if the executable prints no valid one."""
        code, output = self._call(msgspec.json.encode(request), Path(request.file).parent)
        if code:
            return error_diagnosis(f"exit status {code}")
        try:
            return decode_diagnosis(output)
        except ProtocolError as error:
            return error_diagnosis(str(error))

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Return one diagnosis per request; a missing or repeated one becomes an error."""
        if self.batch == 1:
            return [self.diagnose(request) for request in requests]
        lines = b"".join(msgspec.json.encode(request) + b"\n" for request in requests)
        code, output = self._call(lines, Path(requests[0].file).parent.parent)
        if code:
            message = f"exit status {code}"
            raise ProtocolError(message)
        by_id: dict[str, list[Diagnosis]] = {}
        for line in output.splitlines():
            diagnosis = decode_diagnosis(line)
            by_id.setdefault(diagnosis.id, []).append(diagnosis)
        return [_single(by_id.get(request.id, [])) for request in requests]

    def _call(self, text: bytes, folder: Path) -> tuple[int, bytes]:
        """Return exit code and output. The input is a file, so that neither side can block."""
        with tempfile.TemporaryFile() as stdin:
            stdin.write(text)
            stdin.seek(0)
            with subprocess.Popen(
                self._argv, stdin=stdin, stdout=subprocess.PIPE, cwd=folder, env=clean_environment()
            ) as process:
                stream = process.stdout
                output = stream.read(OUTPUT_BYTES + 1) if stream else b""
                if len(output) > OUTPUT_BYTES:
                    process.kill()
                    message = f"the tool printed more than {OUTPUT_BYTES >> 20} MiB of output"
                    raise ProtocolError(message)
            return process.returncode, output


def _single(diagnoses: list[Diagnosis]) -> Diagnosis:
    if len(diagnoses) == 1:
        return diagnoses[0]
    several = "several diagnoses have the id of this request"
    return error_diagnosis(several if diagnoses else "no diagnosis has the id of this request")
