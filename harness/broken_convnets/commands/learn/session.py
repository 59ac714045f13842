"""An interactive session: the learner's keys and saved files, and what each of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn import render
from broken_convnets.commands.learn.progress import State
from broken_convnets.commands.learn.render import short_path
from broken_convnets.commands.learn.terminal_input import QUIT, SAVED
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.learn.grader import Grader
    from broken_convnets.commands.learn.grading_result import GradingResult
    from broken_convnets.commands.learn.terminal_input import Events
    from broken_convnets.commands.learn.workspace import Workspace
    from broken_convnets.corpus.entries import Case


def grade(grader: Grader, workspace: Workspace, case: Case, source: str) -> GradingResult:
    """Grade a program and record the attempt."""
    result = grader.grade(case, source, str(short_path(workspace.path(case))))
    unchanged = source == case.broken
    workspace.progress.record_attempt(case.id, source, unchanged=unchanged, solved=result.solved)
    workspace.save()
    return result


class Session:
    """A learner at the terminal who goes from case to case."""

    def __init__(
        self,
        cases: list[Case],
        start: int,
        workspace: Workspace,
        grader: Grader,
        events: Events,
    ) -> None:
        """Begin with the case at index `start`."""
        self._cases = cases
        self._position = start
        self._workspace = workspace
        self._grader = grader
        self._events = events
        self._console = terminal.console()
        self._result: GradingResult | None = None
        self._keys: dict[str, Callable[[], None]] = {
            "h": self._hint,
            "d": self._layers,
            "l": self._laws,
            "s": self._solution,
            "r": self._run,
            "x": self._reset,
            "n": lambda: self._go(1),
            "p": lambda: self._go(-1),
            "?": self._help,
            SAVED: self._run,
        }

    @property
    def _case(self) -> Case:
        return self._cases[self._position]

    def run(self) -> None:
        """Handle events until the learner quits."""
        self._workspace.begin(self._case)
        key = SAVED
        while key != QUIT:
            if key in self._keys:
                self._workspace.refresh()
                self._keys[key]()
            key = self._events.next()

    def _run(self) -> None:
        """Grade the program as it is now, and show the result."""
        path = self._workspace.path(self._case)
        self._events.watch(path)
        try:
            source = self._workspace.read(self._case)
        except UsageError as error:
            self._console.print(render.plain(f"\n{error}", "red"))
            return
        with self._console.status("running"):
            self._result = grade(self._grader, self._workspace, self._case, source)
        self._show(self._result, unchanged=source == self._case.broken)

    def _show(self, result: GradingResult, *, unchanged: bool) -> None:
        progress = self._workspace.progress
        solved = sum(progress.state(case.id) is State.SOLVED for case in self._cases)
        position = f"{self._position + 1} of {len(self._cases)}   {solved} solved"
        path = short_path(self._workspace.path(self._case))
        self._console.clear()
        if not any(entry.attempts for entry in progress.cases.values()):
            self._console.print(render.welcome(path))
        self._console.print(render.heading(self._case, path, position))
        shown = render.first_look(result) if unchanged else render.result(result)
        self._console.print(shown, crop=False)
        if result.solved:
            self._console.print(render.solution(self._case))
        else:
            self._console.print(render.hints(self._case, progress.entry(self._case.id).hints))
        self._console.print(f"\n{render.KEY_LINE}", style="dim")

    def _hint(self) -> None:
        entry = self._workspace.progress.entry(self._case.id)
        if entry.hints == len(self._case.spec.hints):
            self._console.print("\nThere are no more hints. Press s to show our solution.")
            return
        entry.hints += 1
        self._workspace.save()
        self._console.print(render.hints(self._case, entry.hints, only_last=True))

    def _layers(self) -> None:
        if self._result:
            self._console.print(render.layers(self._result))

    def _laws(self) -> None:
        if self._result:
            self._console.print(render.laws(self._result))

    def _solution(self) -> None:
        if self._confirmed("Show our solution? Press y to show it, any other key to cancel."):
            entry = self._workspace.progress.entry(self._case.id)
            entry.solution_seen |= entry.state is not State.SOLVED
            self._workspace.save()
            self._console.print(render.solution(self._case))

    def _reset(self) -> None:
        question = "Restore the broken program? Press y to restore it, any other key to cancel."
        if self._confirmed(question):
            self._workspace.reset(self._case)
            self._run()

    def _confirmed(self, question: str) -> bool:
        """Ask; a file that is saved instead of an answer is graded."""
        self._console.print(f"\n{question}")
        answer = self._events.next()
        if answer == SAVED:
            self._run()
        elif answer != "y":
            self._console.print("Canceled.")
        return answer == "y"

    def _go(self, step: int) -> None:
        position = self._position + step
        if not 0 <= position < len(self._cases):
            which = "last" if step > 0 else "first"
            self._console.print(f"\nThis is the {which} program.")
            return
        self._position = position
        self._workspace.begin(self._case)
        self._run()

    def _help(self) -> None:
        self._console.print(render.help_text())
