"""Measure `diagnose` on programs whose mistakes are known, and on healthy programs.

All programs run through one fork server, with limits in processor seconds. A broken program is
*detected* if there is a finding of severity error; the first such finding is *located* if its
cause is a line that a correct fix changes, and *classified* if its kind is one of the program's;
and it is *verified* if the program ran with a fix of it and the finding was gone.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.findings import Severity
from broken_convnets.commands.diagnose.repair import Repair
from broken_convnets.commands.score.programs.program import DEVICE, applies_to, ground_truth
from broken_convnets.corpus.entries import Case, load
from broken_convnets.observe.user_program import UserProgram
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, Limits

from experiments import diagnose_job
from experiments.diagnose_job import EXAMINE, ProgramReport, ProgramRequest
from experiments.diagnose_programs import ROOT, healthy_programs, mutants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from broken_convnets.commands.diagnose.findings import Finding
    from broken_convnets.sandbox.job import JobResult
    from broken_convnets.sandbox.runner import Runner

COUNTS = ("detected", "located", "classified", "verified")  # of a Measurement
FIX_SECONDS = 600.0  # on the clock, to verify the fixes of one program: no limit that is met
SECONDS = 60.0  # of processor time, of one run of one program
PRELOAD = [
    "broken_convnets.commands.diagnose.preload",
    "torchvision",
    diagnose_job.__name__,
]


@dataclass(frozen=True)
class Truth:
    """What is known about a broken program: any of the kinds and of the lines is correct."""

    silent: bool
    kinds: frozenset[str]
    cause: frozenset[tuple[str, int]]  # file, from the folder that contains the program; line


@dataclass(frozen=True)
class MeasuredProgram:
    """A program on disk; `truth` is None if it is healthy."""

    name: str
    path: Path
    truth: Truth | None = None


@dataclass(frozen=True)
class Measurement:
    """What `diagnose` did with one program. `failure` says why it has no findings to judge."""

    program: MeasuredProgram
    alarms: tuple[Finding, ...] = ()  # findings of severity error, the most certain first
    verified: bool = False
    processor_seconds: float = 0.0
    failure: str = ""

    @property
    def detected(self) -> bool:
        """Whether there is a finding of severity error."""
        return bool(self.alarms)

    @property
    def located(self) -> bool:
        """Whether the first alarm names a line that a correct fix changes."""
        truth, cause = self.program.truth, self.alarms[0].cause if self.alarms else None
        if truth is None or cause is None:
            return False
        return (os.path.relpath(cause.file, self.program.path.parent), cause.line) in truth.cause

    @property
    def classified(self) -> bool:
        """Whether the first alarm has a kind of the program."""
        truth = self.program.truth
        return truth is not None and bool(self.alarms) and self.alarms[0].kind in truth.kinds


def broken_corpus(*, silent: bool | None = None) -> list[MeasuredProgram]:
    """Return the cases that fail under the installed torch: all, or only silent or loud ones."""
    release = version("torch").partition("+")[0]
    found = []
    for name, case in load(ROOT).entries.items():
        if not isinstance(case, Case) or not applies_to(case, release):
            continue
        path = ROOT / "cases" / f"{name}.py"
        known = ground_truth(case, release, DEVICE)
        cause = frozenset((path.name, line) for line in known.cause)
        if silent in {None, known.silent}:
            truth = Truth(known.silent, frozenset(known.kinds), cause)
            found.append(MeasuredProgram(name, path, truth))
    return found


def healthy_corpus() -> list[MeasuredProgram]:
    """Return the fixes and the controls that work under the installed torch."""
    release = version("torch").partition("+")[0]
    names = [name for name, entry in load(ROOT).entries.items() if applies_to(entry, release)]
    paths = [ROOT / tree / f"{name}.py" for tree in ("fixes", "controls") for name in names]
    return [MeasuredProgram(str(path.relative_to(ROOT)), path) for path in paths if path.is_file()]


def healthy_others() -> list[MeasuredProgram]:
    """Return the healthy programs in other styles than the corpus."""
    return [MeasuredProgram(path.name, path) for path in healthy_programs()]


def written_mutants(folder: Path, *, silent: bool | None = None) -> list[MeasuredProgram]:
    """Write the mutants, each into a folder of its own in `folder`, and return them."""
    found = []
    for name, mutant in mutants().items():
        quiet = not mutant.raises
        if silent in {None, quiet}:
            (own := folder / name).mkdir(parents=True)
            truth = Truth(quiet, frozenset(mutant.kinds), mutant.cause_lines())
            found.append(MeasuredProgram(name, mutant.write(own), truth))
    return found


@contextmanager
def fork_server(workers: int = 2) -> Iterator[Runner]:
    """Open the fork server on which all programs run, with torch imported once.

    They are our own, and lie in this repository and in temporary folders: `diagnose` reads and
    writes there as it does for a user, so they are not isolated.
    """
    limits = Limits(seconds=SECONDS, workers=workers, isolate=False, preload=PRELOAD)
    with ForkServer(limits) as server:
        yield server


def measure(runner: Runner, programs: Sequence[MeasuredProgram]) -> list[Measurement]:
    """Diagnose each program, and verify fixes of those with a known mistake."""
    with tempfile.TemporaryDirectory() as directory:
        jobs = [
            Job(number, EXAMINE, ProgramRequest(UserProgram(str(program.path)), directory))
            for number, program in enumerate(programs)
        ]
        results = {result.job: result for result in runner.run(jobs, ProgramReport)}
        return [
            _measurement(runner, program, results[number], directory)
            for number, program in enumerate(programs)
        ]


def _measurement(
    runner: Runner, program: MeasuredProgram, result: JobResult[ProgramReport], directory: str
) -> Measurement:
    report = result.answer
    if report is None:
        return Measurement(program, failure=f"{result.status}: {result.detail}")
    alarms = [one.finding for one in report.findings if one.severity is Severity.ERROR]
    diagnosis = Diagnosis(alarms)
    if program.truth is not None and alarms:
        user_program = UserProgram(str(program.path))
        diagnosis.fixes = Repair(runner, user_program, directory, FIX_SECONDS).fixes(alarms)
        diagnosis.place_causes()
    fixes = diagnosis.fixes_of(diagnosis.findings[0]) if alarms else []
    return Measurement(
        program,
        tuple(diagnosis.findings),
        any(fix.verified for fix in fixes),
        report.processor_seconds,
        report.raised if program.truth is None else "",
    )
