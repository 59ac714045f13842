"""The `diagnose` command: run a program once, and say what is wrong, where, and how to fix it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.document import document, json_schema
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.commands.diagnose.findings import NotChecked
from broken_convnets.commands.diagnose.repair import Repair
from broken_convnets.commands.diagnose.report import report_lines
from broken_convnets.commands.diagnose.user_program import UserProgram
from broken_convnets.errors import UsageError
from broken_convnets.observe.failure import printed
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.forked_server import ForkedServer
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import files, terminal
from broken_convnets.util.argument_types import cpu_count, seconds
from broken_convnets.util.json_output import as_json, print_json

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.examine import ExaminedRun
    from broken_convnets.sandbox.runner import Runner

LEAST_BUDGET = 10.0  # seconds
BUDGET_FACTOR = 3.0  # times the program's own time
PRELOAD = "broken_convnets.commands.diagnose.preload"
TRIAL_SECONDS = 60.0  # of processor time, of one run of the changed program


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
        help="write the best verified fix to the files; the old ones are kept as FILE.orig",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document to stdout; what the program prints goes to stderr",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema and exit")
    parser.add_argument("program", nargs="?", help="the file to run, or with -m the module")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="arguments passed on to the program"
    )


def run(options: argparse.Namespace) -> int:
    """Run and diagnose a program; return the exit code of the diagnosis.

    What the program prints is left alone. The report goes to stderr; with `--json` the document
    has stdout to itself. Raises UsageError if there is no such program.
    """
    if options.schema:
        print_json(json_schema())
        return 0
    program = _program(options)
    stdout = _own_stdout() if options.json else None
    with ExitStack() as stack:
        runner = None if options.no_fix else stack.enter_context(_runner())
        started = time.monotonic()
        examined = examine_run(program)
        took = time.monotonic() - started
        _flush()
        diagnosis = diagnosed(examined)
        if runner is not None and not examined.interrupted:
            budget = options.budget or max(LEAST_BUDGET, BUDGET_FACTOR * took)
            _repair(diagnosis, Repair(runner, program, str(Path.cwd()), budget), took)
    if stdout is not None:
        stdout.write(as_json(document(diagnosis)).encode() + b"\n")
        stdout.close()
    else:
        _print(diagnosis)
    if options.apply:
        _apply(diagnosis)
    return diagnosis.exit_code


def _program(options: argparse.Namespace) -> UserProgram:
    if options.program is None:
        message = "name the program to diagnose: a file, or a module with -m"
        raise UsageError(message)
    arguments = options.arguments
    arguments = arguments[1:] if arguments[:1] == ["--"] else arguments
    program = UserProgram(options.program, arguments, module=options.m)
    program.check()
    return program


def _runner() -> Runner:
    """Return a runner for trials; where forks are possible it forks this process, so do it early."""
    limits = Limits(seconds=TRIAL_SECONDS, workers=cpu_count(), preload=[PRELOAD])
    return ForkedServer(limits) if hasattr(os, "pidfd_open") else open_torch_runner(limits)


def diagnosed(examined: ExaminedRun) -> Diagnosis:
    """Return what a run showed, still without fixes."""
    error = examined.evidence.error
    return Diagnosis(
        findings=examined.findings.sorted(),
        checked=examined.findings.checked,
        not_checked=examined.findings.not_checked,
        program_exit_code=examined.exit_code,
        traceback=printed(error) if error else "",
    )


def _repair(diagnosis: Diagnosis, repair: Repair, took: float) -> None:
    """Try the candidates, and place each finding where its best verified fix is."""
    if not any(finding.candidates for finding in diagnosis.findings):
        return
    if took > repair.seconds:
        reason = f"the program ran for {took:.0f} s, and the budget is {repair.seconds:.0f} s"
        diagnosis.not_checked.append(NotChecked("whether a fix works", reason))
        return
    print(
        "running the program again, changed, to verify fixes (--no-fix skips this)", file=sys.stderr
    )  # what it does to files and networks it does again
    diagnosis.fixes = repair.fixes(diagnosis.findings)
    diagnosis.place_causes()


def _own_stdout() -> BinaryIO:
    """Return the real stdout for the document, and send everyone else's to stderr."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return ours


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the program may have closed or replaced it
            stream.flush()


def _print(diagnosis: Diagnosis) -> None:
    console = terminal.console(stderr=True)
    if diagnosis.traceback:
        console.print(diagnosis.traceback, markup=False, soft_wrap=True)
    for text, style in report_lines(diagnosis):
        console.print(text, style=style or None, markup=False, soft_wrap=True)


def _apply(diagnosis: Diagnosis) -> None:
    """Write the first verified fix; the old text of each file stays beside it."""
    fixes = [fix for found in diagnosis.findings for fix in diagnosis.fixes_of(found)]
    best = next((fix for fix in fixes if fix.verified), None)
    if best is None:
        print("nothing applied: there is no verified fix", file=sys.stderr)
        return
    for name, text in best.patch.items():
        backup = Path(f"{name}.orig")
        shutil.copy2(name, backup)
        files.write(Path(name), text)
        print(f"changed {name}; the old text is in {backup}", file=sys.stderr)
