"""Run a program's text as `python FILE` does, for its traceback and what it prints."""

from __future__ import annotations

import io
import linecache
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType

from broken_convnets.observe.facts import ScriptRequest, ScriptRun
from broken_convnets.observe.program import seed_everything

PRINTED = 4_000  # characters kept of what a program prints
LINES = 60  # of a traceback; deep inside torch there are hundreds
HEAD = 20  # of which from its beginning


def run_script(request: ScriptRequest) -> ScriptRun:
    """Run the file as `python name` does; return its traceback, if any, and what it printed."""
    source, name = request.source, request.name
    module = ModuleType("__main__")
    module.__file__ = name
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    sys.modules["__main__"] = module  # pickle looks classes up there
    seed_everything(request.seed)
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            exec(compile(source, name, "exec"), vars(module))  # noqa: S102  (that is the point)
        except BaseException as error:  # noqa: BLE001  (SystemExit too: it is what happened)
            return ScriptRun(_traceback(error, name), out.getvalue()[:PRINTED])
    return ScriptRun("", out.getvalue()[:PRINTED])


def _traceback(error: BaseException, name: str) -> str:
    """Return what Python prints, from the program's first line on, its middle left out if long."""
    start = error.__traceback__
    while start is not None and start.tb_frame.f_code.co_filename != name:
        start = start.tb_next
    lines = "".join(traceback.format_exception(type(error), error, start)).splitlines()
    if len(lines) > LINES:
        left = len(lines) - LINES
        lines[HEAD : HEAD + left] = [f"  ... {left} more lines ..."]
    return "\n".join(lines)
