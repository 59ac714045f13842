"""Paths as a person writes them, and tracebacks without the frames of libraries."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from broken_convnets.util.traceback_text import FRAME

SYNTAX_OF_FRAME = re.compile(rf"  {FRAME.pattern}$")
INSTALLED = re.compile(r"/(?:site|dist)-packages/(\w+)|/lib/python[\d.]+/(?!site-|dist-)(\w+)")


def shown_path(file: str) -> str:
    """Return a path relative to the working directory if it is inside, else the path itself.

    The path of a notebook's cell is a number that Jupyter chose: return "Cell In[2]" instead.
    """
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = ask() if ask else None
    if shell and (cell := shell.compile.format_code_name(file)):
        return " ".join(cell)
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def folded(traceback: str) -> str:
    """Replace each run of frames of installed libraries in a traceback by one line."""
    lines: list[str] = []
    run: list[str] = []  # names of libraries, one for each frame that is folded
    library = False
    for line in traceback.splitlines():
        frame = SYNTAX_OF_FRAME.match(line)
        if frame is None and library and line.startswith("    "):
            continue
        found = INSTALLED.search(frame["file"]) if frame and frame["name"] else None
        library = found is not None
        if found:
            run.append(found[1] or found[2])
            continue
        lines += _summary(run)
        run = []
        lines.append(line)
    return "".join(f"{line}\n" for line in [*lines, *_summary(run)])


def _summary(libraries: list[str]) -> list[str]:
    if not libraries:
        return []
    frames = "1 frame" if len(libraries) == 1 else f"{len(libraries)} frames"
    return [f"  [{frames} in {', '.join(dict.fromkeys(libraries))}; --traceback shows all]"]
