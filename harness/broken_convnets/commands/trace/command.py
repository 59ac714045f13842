"""Run a user's program as Python would, and show the inputs and output of each layer."""

from __future__ import annotations

import argparse
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.explain.answer import answer
from broken_convnets.commands.explain.matching import explain
from broken_convnets.commands.explain.reading import facts_of
from broken_convnets.corpus.contents import contents_of
from broken_convnets.observe.user_program import UserProgram, exit_code
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive
from broken_convnets.util.json_output import as_json
from broken_convnets.util.streams import Streams, own_stdout

if TYPE_CHECKING:
    from broken_convnets.commands.explain.matching import Match
    from broken_convnets.commands.trace.trace import Tracing

SCHEMA = 2  # of the JSON document; docs/trace.md says what is in it


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE) [ARGUMENT ...]"
    parser.add_argument("-m", action="store_true", help="run a module, as `python -m` does")
    parser.add_argument(
        "--step",
        type=positive,
        metavar="N",
        help="show the Nth forward pass of each network (default: the one that failed, else the "
        "first with a non-finite value, else the last)",
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

    The output of the program passes through. The report goes to stderr, where Python prints a
    traceback; with `--json` the document goes to stdout, and all output of the program to stderr.
    The cases of the corpus that are similar to the failure come last. Raises UsageError if the
    program or the module does not exist.
    """
    contents_of(options.corpus)  # raises CorpusError before the program runs
    program = _program(options)
    document = own_stdout() if options.json else None
    streams = Streams()
    from broken_convnets.commands.trace.trace import Tracing  # noqa: PLC0415  (imports torch)

    tracing = Tracing(step=options.step)
    code, ending = 0, None
    try:
        with tracing:
            program.run()
    except SystemExit as end:
        code = exit_code(end)
    except KeyboardInterrupt:
        code, ending = 128 + signal.SIGINT, "interrupted: this is what happened so far"
    except BaseException:  # noqa: BLE001  (it is the program's, and shown below)
        code = 1
    streams.restore()
    failed = tracing.failure if ending is None else None
    matches = explain(facts_of(failed), corpus=options.corpus) if failed else []
    if document is not None:
        facts = _facts(tracing, program.command, code, matches)
        document.write(as_json(facts).encode() + b"\n")
        document.close()
    else:
        _print(tracing, options, ending)
        if matches:
            terminal.print_pieces(partial(answer, matches, options.corpus), stderr=True)
    return code


def _program(options: argparse.Namespace) -> UserProgram:
    """Return the program and its arguments, without a `--` between them."""
    rest = options.arguments
    rest = rest[1:] if rest[:1] == ["--"] else rest
    program = UserProgram(options.program, rest, module=options.m)
    program.check()
    return program


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
        "first_non_finite": tracing.first_non_finite,
        "failed": tracing.failed,
        "suspect": tracing.suspect,
        "caught": {"failure": caught[0], "network": caught[1]} if caught else None,
        "networks": tracing.networks,
        "notes": tracing.notes,
        "matches": matches,
    }
