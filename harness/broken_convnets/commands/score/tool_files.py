"""The files that can change a tool's answers: this package, the tool, and what the tool imports."""

from __future__ import annotations

import hashlib
import modulefinder
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.score.registry import ENTRY_POINT_GROUP, bundled_tools
from broken_convnets.util.code_hash import code_hash

if TYPE_CHECKING:
    from broken_convnets.commands.score.tool_jobs import ToolRef


def hashes_of_tool(ref: ToolRef) -> list[str]:
    """Return a hash of each file that can change a tool's answers.

    Of what an executable imports, only files in its own folder and below count: libraries have a
    version. Of an installed tool, every Python file of its package counts.
    """
    return [code_hash(), *(hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(ref))]


def _files(ref: ToolRef) -> list[Path]:
    if ref.argv:
        named = [path for part in ref.argv if (path := Path(part)).is_file()]
        return sorted({file for path in named for file in (path, *_imported(path))})
    return [] if ref.name in bundled_tools() else _files_of_package(ref.name)


def _imported(script: Path) -> set[Path]:
    """Return the files that a script imports from its folder, directly or not."""
    if script.suffix != ".py":
        return set()
    finder = modulefinder.ModuleFinder([str(script.parent)])
    try:
        finder.run_script(str(script))
    except (SyntaxError, ValueError, OSError):  # the tool reports it when it runs
        return set()
    files = (getattr(module, "__file__", None) for module in finder.modules.values())
    return {Path(file) for file in files if file}


def _files_of_package(tool: str) -> list[Path]:
    """Return the Python files of the package that an installed tool belongs to."""
    found = entry_points(group=ENTRY_POINT_GROUP, name=tool)
    spec = find_spec(next(iter(found)).module.partition(".")[0]) if found else None
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = {path for folder in folders for path in folder.rglob("*.py")}
    return sorted(files or ({Path(spec.origin)} if spec.origin else set()))
