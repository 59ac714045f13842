"""Diagnose one program: run it, judge the run, and verify fixes by running it changed."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.commands.diagnose.findings import NotChecked, Severity
from broken_convnets.commands.diagnose.repair import FIXES, Repair
from broken_convnets.commands.diagnose.standard_input import StandardInput
from broken_convnets.observe.failure import failure
from broken_convnets.observe.recorder.passes import module_path
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.forked_server import ForkedServer
from broken_convnets.sandbox.job import Limits
from broken_convnets.util.argument_types import cpu_count
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.diagnose.examine import ExaminedRun
    from broken_convnets.observe.user_program import UserProgram
    from broken_convnets.sandbox.runner import Runner

LEAST_BUDGET = 10.0  # seconds
BUDGET_FACTOR = 3.0  # times the program's own time
PRELOAD = "broken_convnets.commands.diagnose.preload"
TRIAL_SECONDS = 60.0  # of processor time, of one run of the changed program
AGAIN = "running the program again, changed, to verify fixes (--no-fix skips this)"


@dataclass
class Session:
    """One diagnosis. `budget` is the time for verifying fixes in seconds; None for the default.

    `on_os_exit` is called with the diagnosis if the program ends this process with `os._exit`,
    and returns the exit code.
    """

    program: UserProgram
    verify: bool
    budget: float | None
    on_os_exit: Callable[[Diagnosis], int]
    table: bool = False  # whether the diagnosis has the lines of the layer table
    _directory: str = field(default_factory=os.getcwd, init=False)
    _streams: Streams = field(default_factory=Streams, init=False)
    _stdin: StandardInput = field(default_factory=StandardInput, init=False)

    def diagnose(self) -> Diagnosis:
        """Run the program, and return what is wrong with it.

        Afterwards the working directory and the standard streams are those from before.
        """
        with _runner() if self.verify else nullcontext() as runner:
            started = time.monotonic()
            with self._stdin.watched():
                examined = examine_run(self.program, on_os_exit=self._finish)
            took = time.monotonic() - started
            self._restore()
            diagnosis = self._diagnosed(examined)
            if runner is not None and _has_candidates(diagnosis):
                self._verify(diagnosis, runner, took, interrupted=examined.interrupted)
        return diagnosis

    def _finish(self, examined: ExaminedRun) -> int:
        self._restore()
        diagnosis = self._diagnosed(examined)
        if _has_candidates(diagnosis):
            diagnosis.not_checked.append(NotChecked(FIXES, "the program ends with os._exit"))
        return self.on_os_exit(diagnosis)

    def _diagnosed(self, examined: ExaminedRun) -> Diagnosis:
        diagnosis = diagnosed(examined)
        if self.table:
            from broken_convnets.commands.trace.trace import Tracing  # noqa: PLC0415  (if wanted)

            tracing = Tracing.of(examined.evidence.record, examined.evidence.error)
            diagnosis.table = tracing.lines()
        return diagnosis

    def _restore(self) -> None:
        self._streams.restore()
        os.chdir(self._directory)

    def _verify(
        self, diagnosis: Diagnosis, runner: Runner, took: float, *, interrupted: bool
    ) -> None:
        """Try the candidates, and place each finding where its best verified fix is."""
        budget = self.budget or max(LEAST_BUDGET, BUDGET_FACTOR * took)
        repair = Repair(runner, self.program, self._directory, budget)
        if why := self._why_not_again(took, budget, interrupted=interrupted):
            diagnosis.not_checked.append(NotChecked(FIXES, why))
            return
        print(AGAIN, file=sys.stderr, flush=True)  # what it does to files, it does again
        with interruptible() as interruption:
            diagnosis.fixes = repair.fixes(diagnosis.findings)
        diagnosis.not_checked += repair.not_checked
        if interruption:
            diagnosis.not_checked.append(NotChecked(FIXES, "interrupted"))
            diagnosis.program_exit_code = interruption.exit_code
        diagnosis.place_causes()

    def _why_not_again(self, took: float, budget: float, *, interrupted: bool) -> str:
        if interrupted:
            return "the program was interrupted"
        if self._stdin.was_read:
            return "the program reads standard input, so it is not run again"
        limit = min(budget, TRIAL_SECONDS)
        if took > limit:
            return f"the program ran for {took:.3g} s, and may run again for {limit:.3g} s"
        return ""


def diagnosed(examined: ExaminedRun) -> Diagnosis:
    """Return what a run showed, still without fixes."""
    error, record = examined.evidence.error, examined.evidence.record
    diagnosis = Diagnosis(
        findings=examined.findings.sorted(),
        checked=examined.findings.checked,
        not_checked=examined.findings.not_checked,
        program_exit_code=examined.exit_code,
        failure=failure(error, module_path(error), None, record) if error else None,
    )
    if examined.interrupted:
        why = "the program was interrupted: this is what was seen so far"
        diagnosis.not_checked.append(NotChecked("the rest of the program", why))
    return diagnosis


def _has_candidates(diagnosis: Diagnosis) -> bool:
    errors = (one for one in diagnosis.findings if one.severity is Severity.ERROR)
    return any(one.candidates for one in errors)


def _runner() -> Runner:
    """Return a runner for trials. Where possible it forks this process, so open it early."""
    limits = Limits(seconds=TRIAL_SECONDS, workers=cpu_count(), preload=[PRELOAD], isolate=False)
    return ForkedServer(limits) if hasattr(os, "pidfd_open") else open_torch_runner(limits)
