"""Write programs and the requests about them to a folder.

Nothing in the folder reveals which program is broken: neither names, order nor time stamps.
The ids are random: only the key, a file elsewhere, says which program they belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.programs.workspace import (
    file_name,
    part_names,
    write_workspace,
)
from broken_convnets.commands.score.protocol.messages import Request
from broken_convnets.errors import UsageError
from broken_convnets.util.new_folder import new_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram

REQUESTS = "requests.jsonl"
PYTHON = "python"  # resolved where the tool runs
SECONDS = 60.0  # the default time limit of `score`


def export_programs(programs: Sequence[CorpusProgram], out: Path) -> None:
    """Write all programs and requests, or nothing.

    Raises UsageError if `out` exists and is not an empty folder, or cannot be written.
    """
    with new_folder(out) as draft:
        _write(draft, programs)


def require_empty(out: Path) -> None:
    """Raise UsageError if `out` exists and is not an empty folder."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = f"{out} already exists: pass a new or empty folder as --out"
        raise UsageError(message)


def _write(folder: Path, programs: Sequence[CorpusProgram]) -> None:
    lines = []
    for program in programs:
        write_workspace(program.id, program.source, folder)
        request = Request(
            id=program.id,
            file=f"{program.id}/{file_name(program.id)}",
            source=program.source,
            names=part_names(program.source),
            python=PYTHON,
            seconds=SECONDS,
        )
        lines.append(msgspec.json.encode(request) + b"\n")
    (folder / REQUESTS).write_bytes(b"".join(lines))
