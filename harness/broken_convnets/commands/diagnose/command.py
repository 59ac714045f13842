"""The `diagnose` command: run a program once, and say what is wrong, where, and how to fix it."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from broken_convnets.commands.diagnose.report import report_lines, rule_lines
from broken_convnets.commands.diagnose.similar import add_similar_cases
from broken_convnets.corpus.contents import contents_of
from broken_convnets.errors import UsageError
from broken_convnets.observe.user_program import UserProgram
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import seconds
from broken_convnets.util.json_output import as_json
from broken_convnets.util.streams import own_stdout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.diagnose.diagnosis import Diagnosis
    from broken_convnets.commands.diagnose.report import Line

SCHEMA = Path(__file__).with_name("diagnosis.schema.json")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE) [ARGUMENT ...]"
    parser.add_argument("-m", action="store_true", help="run a module, as `python -m` does")
    parser.add_argument(
        "--no-fix", action="store_true", help="do not run the program again to verify fixes"
    )
    parser.add_argument(
        "--budget",
        type=seconds,
        metavar="SECONDS",
        help="time for verifying fixes (default: 3 times the program's own, at least 10)",
    )
    parser.add_argument(
        "--apply",
        action="store_true",
        help="write the best verified fix to the files, and keep the previous ones as FILE.orig",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="show the inputs and output of each layer first, as `trace` does",
    )
    parser.add_argument(
        "--traceback", action="store_true", help="show the frames of libraries in the traceback"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document to stdout, and the output of the program to stderr",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema and exit")
    parser.add_argument("--rules", action="store_true", help="list what is checked, and exit")
    parser.add_argument("program", nargs="?", help="script to run, or with -m a module")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="arguments passed on to the program"
    )


def run(options: argparse.Namespace) -> int:
    """Run and diagnose a program; return the exit code of the diagnosis.

    What the program prints is left alone. The report goes to stderr; with `--json` the document
    has stdout to itself. Raises UsageError if there is no such program.
    """
    if options.schema:
        print(SCHEMA.read_text(encoding="utf-8"), end="")
        return 0
    if options.rules:
        return _list_rules()
    program = _program(options)
    contents_of(options.corpus)  # raises CorpusError before the program runs
    from broken_convnets.commands.diagnose.session import Session  # noqa: PLC0415  (imports torch)

    stdout = own_stdout() if options.json else None
    report = _Report(options, program, stdout, started=time.time())
    session = Session(
        program, not options.no_fix, options.budget, on_os_exit=report, table=options.table
    )
    return report(session.diagnose())


def _program(options: argparse.Namespace) -> UserProgram:
    if options.apply and options.no_fix:
        message = "--apply writes a verified fix, and --no-fix verifies none: omit one of them"
        raise UsageError(message)
    if options.program is None:
        message = "name the program to diagnose: a script, or a module with -m"
        raise UsageError(message)
    arguments = options.arguments
    arguments = arguments[1:] if arguments[:1] == ["--"] else arguments
    program = UserProgram(options.program, arguments, module=options.m)
    program.check()
    return program


@dataclass(frozen=True)
class _Report:
    """Prints a diagnosis as the options ask, and returns the exit code of the command."""

    options: argparse.Namespace
    program: UserProgram
    stdout: BinaryIO | None  # for the JSON document
    started: float  # seconds since the epoch

    def __call__(self, diagnosis: Diagnosis) -> int:
        add_similar_cases(diagnosis, self.options.corpus)
        if self.stdout is not None:
            self._write_document(diagnosis, self.stdout)
        else:
            _print(report_lines(diagnosis, whole_traceback=self.options.traceback), stderr=True)
        if self.options.apply:
            from broken_convnets.commands.diagnose.apply import apply_best_fix  # noqa: PLC0415  (rarely needed)

            for sentence in apply_best_fix(diagnosis, self.started):
                print(sentence, file=sys.stderr)
        sys.stderr.flush()
        return diagnosis.exit_code

    def _write_document(self, diagnosis: Diagnosis, stdout: BinaryIO) -> None:
        from broken_convnets.commands.diagnose.document import document  # noqa: PLC0415  (for JSON)

        if diagnosis.failure:
            print(diagnosis.failure.traceback, end="", file=sys.stderr)  # as Python does
        stdout.write(as_json(document(diagnosis, self.program.command)).encode() + b"\n")
        stdout.close()


def _list_rules() -> int:
    from broken_convnets.commands.diagnose.registry import (  # noqa: PLC0415  (imports torch)
        RULES,
        load_rules,
    )

    load_rules()
    _print(rule_lines(RULES.values()), stderr=False)
    return 0


def _print(lines: Iterable[Line], *, stderr: bool) -> None:
    console = terminal.console(stderr=stderr)
    for text, style in lines:
        console.print(text, style=style or None, markup=False, soft_wrap=True)
