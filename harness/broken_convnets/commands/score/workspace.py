"""The folder in which a tool meets a program: its own, and silent about which program it is."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from broken_convnets.commands.score.protocol import Names

if TYPE_CHECKING:
    from pathlib import Path

# Tools look for settings in the folders above: they are to find these, and no one else's.
SETTINGS = {"pyproject.toml": "", "pyrefly.toml": "", "ty.toml": "", "pyrightconfig.json": "{}\n"}
MOMENT = 946_684_800  # 2000-01-01; a time stamp tells what was written first
OPTIONAL = {"targets": "example_targets", "run": "run"}


def file_name(request_id: str) -> str:
    """Return what the file of a program is called; no two programs share a name."""
    return f"net_{request_id}.py"


def lay_out(request_id: str, source: str, into: Path) -> Path:
    """Write a program into a folder of its own below `into`; return the program's file.

    Everything that is written has one and the same time stamp. Raises FileExistsError where
    the folder is there already.
    """
    folder = into / request_id
    folder.mkdir(parents=True)
    path = folder / file_name(request_id)
    for name, text in {path.name: source, **SETTINGS}.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        os.utime(folder / name, (MOMENT, MOMENT))
    os.utime(folder, (MOMENT, MOMENT))
    return path


def names_of(source: str) -> Names:
    """Return what the parts of a program are called, as requests have it."""
    functions = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    there = {part: name for part, name in OPTIONAL.items() if name in functions}
    return Names(targets=there.get("targets"), run=there.get("run"))
