"""One `learn` command: a session at the terminal, or one judgement, a list, a reset, a report."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.learn import render
from broken_convnets.commands.learn.grader import Examiner
from broken_convnets.commands.learn.ordering import course, first
from broken_convnets.commands.learn.progress import State
from broken_convnets.commands.learn.terminal_input import QUIT, SAVED, Events
from broken_convnets.commands.learn.workspace import Workshop
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import load
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import seconds
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.learn.grading import Result
    from broken_convnets.corpus.entries import Case

WORKERS = 2  # the seeds after the first


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work"),
        metavar="DIR",
        help="folder of your programs and progress (default: work)",
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--once", action="store_true", help="judge one program, without keys")
    modes.add_argument("--list", action="store_true", help="show which are solved")
    modes.add_argument("--report", action="store_true", help="the same for a teacher, as JSON")
    modes.add_argument(
        "--reset", action="store_true", help="put the broken program back; keeps yours beside it"
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
    """Do what the options ask for; return 0, or 1 where `--once` found the program unsolved.

    Raises UsageError where the options, the folder or the environment do not allow it.
    """
    corpus = load(options.corpus)
    if options.json and not (options.once or options.list or options.report):
        message = "--json goes with --once, --list or --report"
        raise UsageError(message)
    cases = course(corpus, options.ids)
    workshop = Workshop(options.work)
    if options.list or options.report:
        return _list(cases, workshop, as_json=options.json or options.report)
    start = first(cases, workshop.progress, chosen=len(cases) == 1)
    if options.reset:
        return _reset(cases if options.ids else cases[start : start + 1], workshop)
    if options.once:
        return _once(cases[start], workshop, options)
    return _session(cases, start, workshop, options)


def _list(cases: list[Case], workshop: Workshop, *, as_json: bool) -> int:
    if as_json:
        print_json(workshop.progress.report([case.id for case in cases]))
    else:
        terminal.console().print(render.table(cases, workshop.progress))
    return 0


def _reset(cases: list[Case], workshop: Workshop) -> int:
    for case in cases:
        if case.id in workshop.progress.cases or workshop.path(case).exists():
            backup = workshop.reset(case)
            kept = f"; yours is kept in {_shown(backup)}" if backup else ""
            print(f"{_shown(workshop.path(case))} is broken again{kept}")
    return 0


def _once(case: Case, workshop: Workshop, options: argparse.Namespace) -> int:
    workshop.begin(case)
    source = workshop.read(case)
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_torch_runner(Limits(seconds=options.timeout, workers=WORKERS))
    with opened as runner:
        result = _judge(Examiner(runner), workshop, case, source)
    if options.json:
        print_json(msgspec.to_builtins(result))
    else:
        console = terminal.console()
        console.print(render.heading(case, _shown(workshop.path(case))))
        console.print(render.verdict(result), crop=False)
        if result.solved:
            console.print(render.solution(case))
    return 0 if result.solved else 1


def _session(cases: list[Case], start: int, workshop: Workshop, options: argparse.Namespace) -> int:
    with Events() as events:
        console = terminal.console()
        with console.status("loading torch"):
            opened = open_torch_runner(Limits(seconds=options.timeout, workers=WORKERS))
        with opened as runner:
            Session(cases, start, workshop, Examiner(runner), events).run()
    solved = sum(workshop.progress.state(case.id) is State.SOLVED for case in cases)
    console.print(f"\n{solved} of {len(cases)} solved. `learn` goes on where you were.")
    return 0


def _judge(examiner: Examiner, workshop: Workshop, case: Case, source: str) -> Result:
    """Judge a program and keep what came of it."""
    result = examiner.examine(case, source, str(_shown(workshop.path(case))))
    workshop.progress.judged(case.id, source, unchanged=source == case.broken, solved=result.solved)
    workshop.save()
    return result


class Session:
    """A learner at the terminal, going from case to case."""

    def __init__(
        self,
        cases: list[Case],
        start: int,
        workshop: Workshop,
        examiner: Examiner,
        events: Events,
    ) -> None:
        """Begin at the case number `start`."""
        self._cases = cases
        self._position = start
        self._workshop = workshop
        self._examiner = examiner
        self._events = events
        self._console = terminal.console()
        self._result: Result | None = None
        self._keys: dict[str, Callable[[], None]] = {
            "h": self._hint,
            "d": self._layers,
            "s": self._solution,
            "r": self._run,
            "n": lambda: self._go(1),
            "p": lambda: self._go(-1),
            "?": self._help,
            SAVED: self._run,
        }

    @property
    def _case(self) -> Case:
        return self._cases[self._position]

    def run(self) -> None:
        """Go on until the learner quits."""
        self._workshop.begin(self._case)
        key = SAVED
        while key != QUIT:
            if key in self._keys:
                self._keys[key]()
                self._console.print(f"\n{render.SHORT}", style="dim")
            key = self._events.next()

    def _run(self) -> None:
        """Judge the program as it is now, and show what came of it."""
        path = self._workshop.path(self._case)
        self._events.watch(path)
        try:
            source = self._workshop.read(self._case)
        except UsageError as error:
            self._console.print(render.plain(f"\n{error}", "red"))
            return
        with self._console.status("running"):
            self._result = _judge(self._examiner, self._workshop, self._case, source)
        self._show()

    def _show(self) -> None:
        done = self._workshop.progress
        solved = sum(done.state(case.id) is State.SOLVED for case in self._cases)
        where = f"{self._position + 1} of {len(self._cases)}   {solved} solved"
        self._console.clear()
        self._console.print(
            render.heading(self._case, _shown(self._workshop.path(self._case)), where)
        )
        if self._result:
            self._console.print(render.verdict(self._result), crop=False)
            if self._result.solved:
                self._console.print(render.solution(self._case))
            else:
                self._console.print(render.hints(self._case, done.entry(self._case.id).hints))

    def _hint(self) -> None:
        entry = self._workshop.progress.entry(self._case.id)
        if entry.hints == len(self._case.spec.hints):
            self._console.print("\nThere is no other hint; `s` shows our solution.")
            return
        entry.hints += 1
        self._workshop.save()
        self._console.print(render.hints(self._case, entry.hints, only_last=True))

    def _layers(self) -> None:
        if self._result:
            self._console.print(render.layers(self._result))

    def _solution(self) -> None:
        self._console.print("\nShow our solution? y shows it, any other key does not.")
        answer = self._events.next()
        if answer == SAVED:
            self._run()
        elif answer != "y":
            self._console.print("Not shown.")
        else:
            entry = self._workshop.progress.entry(self._case.id)
            entry.solution_seen |= entry.state is not State.SOLVED
            self._workshop.save()
            self._console.print(render.solution(self._case))

    def _go(self, step: int) -> None:
        wanted = self._position + step
        if not 0 <= wanted < len(self._cases):
            self._console.print(
                "\nThis is the last one." if step > 0 else "\nThis is the first one."
            )
            return
        self._position = wanted
        self._workshop.begin(self._case)
        self._run()

    def _help(self) -> None:
        self._console.print(render.help_text())


def _shown(path: Path) -> Path:
    """Return a path as a person would type it here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else Path(relative)
