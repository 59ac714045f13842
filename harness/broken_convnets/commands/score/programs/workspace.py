"""Write a program to its own folder, which does not reveal which program it is."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from broken_convnets.commands.score.protocol.messages import ProgramNames

if TYPE_CHECKING:
    from pathlib import Path

# Tools search the parent folders for settings. These empty ones stop the search.
SETTINGS = {"pyproject.toml": "", "pyrefly.toml": "", "ty.toml": "", "pyrightconfig.json": "{}\n"}
TIMESTAMP = 946_684_800  # 2000-01-01; the real times would reveal what was written first
OPTIONAL_PARTS = {"targets": "example_targets", "run": "run"}


def file_name(request_id: str) -> str:
    """Return the file name of a program; it is unique."""
    return f"net_{request_id}.py"


def write_workspace(request_id: str, source: str, into: Path) -> Path:
    """Write a program to a new folder below `into` and return the path of its file.

    All files have the same time stamp. Raises FileExistsError if the folder exists.
    """
    folder = into / request_id
    folder.mkdir(parents=True)
    path = folder / file_name(request_id)
    for name, text in {path.name: source, **SETTINGS}.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        os.utime(folder / name, (TIMESTAMP, TIMESTAMP))
    os.utime(folder, (TIMESTAMP, TIMESTAMP))
    return path


def part_names(source: str) -> ProgramNames:
    """Return the names of the program's parts, for a request."""
    functions = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    present = {part: name for part, name in OPTIONAL_PARTS.items() if name in functions}
    return ProgramNames(targets=present.get("targets"), run=present.get("run"))
