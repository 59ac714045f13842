"""Run a person's own program as Python would, and show what its networks did."""

from __future__ import annotations

import argparse
import builtins
import os
import runpy
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.explain.answer import answer
from broken_convnets.commands.explain.matching import explain
from broken_convnets.corpus.contents import contents_of
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive
from broken_convnets.util.json_output import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.explain.matching import Match
    from broken_convnets.commands.trace.trace import Tracing

SCHEMA = 1  # of the JSON document; docs/trace.md says what is in it


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE) [ARGUMENT ...]"
    parser.add_argument("-m", action="store_true", help="run a module, as `python -m` does")
    parser.add_argument(
        "--step",
        type=positive,
        metavar="N",
        help="show the Nth forward pass of each network instead of the last",
    )
    parser.add_argument(
        "--depth",
        type=positive,
        metavar="N",
        help="collapse modules nested deeper than N (default: what fits)",
    )
    parser.add_argument("--all", action="store_true", help="show every call, collapse nothing")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document to stdout, and the output of the program to stderr",
    )
    parser.add_argument("program", help="script to run, or with -m a module")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="arguments passed on to the program"
    )


def run(options: argparse.Namespace) -> int:
    """Run and trace a program; return its exit code, 1 for an exception.

    What the program prints is left alone. The report goes to stderr, where Python puts a
    traceback; with `--json` the document has stdout to itself, and what the program prints
    there goes to stderr. The cases of `corpus` that are like the failure come last.
    Raises UsageError where there is no such program.
    """
    contents_of(options.corpus)  # raises CorpusError before the program runs
    command = _command(options)
    document = _own_stdout() if options.json else None
    from broken_convnets.commands.trace.trace import Tracing  # noqa: PLC0415  (imports torch)

    tracing = Tracing(step=options.step)
    code, ending = 0, None
    try:
        with tracing, _as_main(command, module=options.m):
            _run(command[0], module=options.m)
    except SystemExit as end:
        code = _exit_code(end)
    except KeyboardInterrupt:
        code, ending = 128 + signal.SIGINT, "interrupted: this is what was seen so far"
    except BaseException:  # noqa: BLE001  (it is the program's, and shown below)
        code = 1
    _flush()
    failed = tracing.failure if ending is None else None
    matches = explain(failed.traceback, corpus=options.corpus) if failed else []
    if document is not None:
        facts = _facts(tracing, command, code, matches)
        document.write(as_json(facts).encode() + b"\n")
        document.close()
    else:
        _print(tracing, options, ending)
        if matches:
            terminal.print_pieces(partial(answer, matches, options.corpus), stderr=True)
    return code


def _command(options: argparse.Namespace) -> list[str]:
    """Return the program and its arguments; one `--` between them is ours."""
    rest = options.arguments
    rest = rest[1:] if rest[:1] == ["--"] else rest
    program = options.program
    if not options.m and not Path(program).exists():
        message = f"there is no program {program!r}; a module is run with -m"
        raise UsageError(message)
    if options.m:
        _require_module(program)
    return [program, *rest]


def _require_module(name: str) -> None:
    with _path_first(str(Path.cwd())):
        try:
            found = find_spec(name)
        except (ImportError, ValueError):
            found = None
    if found is None:
        message = f"there is no module {name!r}"
        raise UsageError(message)


def _run(program: str, *, module: bool) -> None:
    if module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    elif Path(program).is_dir() or Path(program).suffix in {".pyc", ".zip", ".pyz"}:
        runpy.run_path(program, run_name="__main__")
    else:
        _run_file(Path(program).absolute())
    for thread in threading.enumerate():  # Python waits for these before it ends
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _run_file(path: Path) -> None:
    """Run a file as `__main__`. `runpy` would change `sys.argv` and shorten the file's name."""
    module = ModuleType("__main__")
    module.__dict__.update(__file__=str(path), __builtins__=builtins, __cached__=None)
    former = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102  (it is the user's own)
    finally:
        sys.modules["__main__"] = former


@contextmanager
def _as_main(command: list[str], *, module: bool) -> Iterator[None]:
    """Give a program the `sys.argv` and `sys.path` that it would have by itself."""
    former = sys.argv
    sys.argv = list(command)
    first = Path.cwd() if module else Path(command[0]).resolve().parent
    try:
        with _path_first(str(first)):
            yield
    finally:
        sys.argv = former


@contextmanager
def _path_first(folder: str) -> Iterator[None]:
    """Put `folder` where Python puts the folder of what it runs."""
    if sys.flags.safe_path:
        yield
        return
    former = sys.path[0]
    sys.path[0] = folder
    try:
        yield
    finally:
        sys.path[0:1] = [former]


def _own_stdout() -> Any:
    """Return the real stdout for the document, and send everyone else's to stderr."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return ours


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the program may have closed or replaced it
            stream.flush()


def _exit_code(end: SystemExit) -> int:
    """Return the exit code that Python would give, saying what Python would say."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _print(tracing: Tracing, options: argparse.Namespace, ending: str | None) -> None:
    console = terminal.console(stderr=True)

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style or None, markup=False, soft_wrap=True)

    if tracing.caught:
        failure, network = tracing.caught
        line(
            f"pass {network.shown} of {network.type} raised {failure.type}: "
            f"{failure.message.splitlines()[0] if failure.message else ''}",
            "yellow",
        )
    for text, style in tracing.lines(options.depth, everything=options.all):
        line(text, style)
    if tracing.failure and ending is None:
        line(f"\n{tracing.failure.traceback}".rstrip())
    if ending:
        line(ending)


def _facts(tracing: Tracing, command: list[str], code: int, matches: list[Match]) -> dict[str, Any]:
    caught = tracing.caught
    return {
        "schema": SCHEMA,
        "command": command,
        "exit_code": code,
        "failure": tracing.failure,
        "failed": tracing.failed,
        "suspect": tracing.suspect,
        "caught": {"failure": caught[0], "network": caught[1]} if caught else None,
        "networks": tracing.networks,
        "notes": tracing.notes,
        "matches": matches,
    }
