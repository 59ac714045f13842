"""The `learn` command: fix broken programs in an interactive session, or without a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.learn import render
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.learn.ordering import ordered_cases, start_index
from broken_convnets.commands.learn.progress import State
from broken_convnets.commands.learn.render import short_path
from broken_convnets.commands.learn.session import Session, grade
from broken_convnets.commands.learn.terminal_input import Events
from broken_convnets.commands.learn.workspace import Workspace
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import load
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import seconds
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse

    from broken_convnets.corpus.entries import Case

WORKERS = 2  # for the seeds after the first


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work"),
        metavar="DIR",
        help="folder for your programs and your progress (default: work)",
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--once", action="store_true", help="grade one program and exit")
    modes.add_argument("--list", action="store_true", help="list the programs and their state")
    modes.add_argument("--report", action="store_true", help="print the progress as JSON")
    modes.add_argument(
        "--reset", action="store_true", help="restore the broken program and back up yours"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="time limit of one run (default 10)",
    )
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Do what the options request; return 0, or 1 if `--once` finds the program unsolved.

    Raises UsageError if the options, the folder or the environment do not allow it.
    """
    corpus = load(options.corpus)
    if options.json and not (options.once or options.list or options.report):
        message = "--json needs --once, --list or --report"
        raise UsageError(message)
    cases = ordered_cases(corpus, options.ids)
    workspace = Workspace(options.work)
    if options.list or options.report:
        return _list(cases, workspace, as_json=options.json or options.report)
    start = start_index(cases, workspace.progress, chosen=len(cases) == 1)
    if options.reset:
        return _reset(cases if options.ids else cases[start : start + 1], workspace)
    if options.once:
        return _once(cases[start], workspace, options)
    return _interactive(cases, start, workspace, options)


def _list(cases: list[Case], workspace: Workspace, *, as_json: bool) -> int:
    if as_json:
        print_json(workspace.progress.report([case.id for case in cases]))
    else:
        terminal.console().print(render.table(cases, workspace.progress))
    return 0


def _reset(cases: list[Case], workspace: Workspace) -> int:
    for case in cases:
        if case.id in workspace.progress.cases or workspace.path(case).exists():
            backup = workspace.reset(case)
            saved = f"; your program is now {short_path(backup)}" if backup else ""
            print(f"restored {short_path(workspace.path(case))}{saved}")
    return 0


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(seconds=options.timeout, workers=WORKERS, hidden=[str(options.corpus)])


def _once(case: Case, workspace: Workspace, options: argparse.Namespace) -> int:
    workspace.begin(case)
    source = workspace.read(case)
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_torch_runner(_limits(options))
    with opened as runner:
        result = grade(Grader(runner), workspace, case, source)
    if options.json:
        print_json(result)
    else:
        console = terminal.console()
        console.print(render.heading(case, short_path(workspace.path(case))))
        console.print(render.result(result), crop=False)
        if result.solved:
            console.print(render.solution(case))
    return 0 if result.solved else 1


def _interactive(
    cases: list[Case], start: int, workspace: Workspace, options: argparse.Namespace
) -> int:
    with Events() as events:
        console = terminal.console()
        with console.status("loading torch"):
            opened = open_torch_runner(_limits(options))
        with opened as runner:
            Session(cases, start, workspace, Grader(runner), events).run()
    solved = sum(workspace.progress.state(case.id) is State.SOLVED for case in cases)
    console.print(f"\n{solved} of {len(cases)} solved. Run `learn` again to resume.")
    return 0
