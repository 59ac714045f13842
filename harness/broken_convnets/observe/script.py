"""Run a program's text as `python FILE` does, for its traceback and what it prints."""

from __future__ import annotations

import io
import linecache
import signal
import sys
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import ModuleType
from typing import TYPE_CHECKING

from broken_convnets.observe.facts import ScriptRequest, ScriptRun
from broken_convnets.observe.program import seed_everything

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

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
            with _interrupted_after(request.stop_after):
                exec(compile(source, name, "exec"), vars(module))  # noqa: S102  (that is the point)
        except BaseException as error:  # noqa: BLE001  (SystemExit too: it is what happened)
            return ScriptRun(_traceback(error, name), out.getvalue()[:PRINTED])
    return ScriptRun("", out.getvalue()[:PRINTED])


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the program after so many seconds, unless that is 0."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        message = f"the program was here when it was stopped after {seconds:g} s"
        raise TimeoutError(message)

    if not seconds or not hasattr(signal, "setitimer"):  # Windows has no timers
        yield
        return
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


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
