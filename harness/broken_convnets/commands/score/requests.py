"""The asking side: prepare the requests, run the tool on them in processes of their own.

The tool learns nothing of the corpus: ids are opaque, the order is shuffled, each file lies
in a folder of its own. What a tool does to its process is no matter: nobody uses it again.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.annotate import AnnotationError, annotated, contract
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.protocol import Diagnosis, Need, Request, failed
from broken_convnets.commands.score.result import Result
from broken_convnets.commands.score.tool_report import RUN_TOOL, ToolRef, ToolReport, ToolRequest
from broken_convnets.commands.score.workspace import names_of
from broken_convnets.errors import UsageError
from broken_convnets.observe.facts import Observation, RunRequest, ScriptRequest, ScriptRun
from broken_convnets.observe.runner import OBSERVE, SCRIPT
from broken_convnets.sandbox.job import Job
from broken_convnets.util.mask import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.score.programs import Program
    from broken_convnets.sandbox.job import JobResult
    from broken_convnets.sandbox.runner import Runner

FILE = re.compile(r"(?:[^\s'\"(),]*/)?(?:net_)?[0-9a-f]{12}a?(?:\.py)?\b")
SEED = 0  # that programs run with where a tool needs a traceback


def describe(runner: Runner, ref: ToolRef) -> ToolReport:
    """Return what a tool says of itself: version, needs, batch.

    Raises UsageError where there is no such tool, or something must be installed first.
    """
    (result,) = runner.run([Job(0, RUN_TOOL, ToolRequest(ref))], ToolReport)
    told = _told(result, [])
    if told is None:
        message = f"the tool {ref.name} cannot be opened: {result.detail}"
        raise UsageError(message)
    if told.missing:
        raise UsageError(told.missing)
    return told


class Asking:
    """Asks one tool about programs, on one runner."""

    def __init__(self, runner: Runner, ref: ToolRef, told: ToolReport, seconds: float) -> None:
        """Use a runner that is open; `seconds` is what requests name as the limit."""
        self._runner = runner
        self._ref = ref
        self._told = told
        self._seconds = seconds

    def ask(self, programs: Sequence[Program]) -> Iterator[Result]:
        """Yield a result for each program, in the order in which they come.

        Where a process that was given several programs gives no valid answer, each of them
        is asked about alone.
        """
        if not programs:
            return
        requests = self._requests(programs)
        size = max(1, self._told.batch)
        chunks = [programs[at : at + size] for at in range(0, len(programs), size)]
        alone: list[Program] = []
        for chunk, ending in self._run(chunks, requests):
            if len(chunk) > 1 and not _told(ending, chunk):
                alone += chunk
            else:
                yield from _results(ending, chunk)
        for chunk, ending in self._run([[program] for program in alone], requests):
            yield from _results(ending, chunk)

    def _run(
        self, chunks: list[Sequence[Program]], requests: dict[str, Request]
    ) -> Iterator[tuple[Sequence[Program], JobResult[ToolReport]]]:
        jobs = [
            Job(
                number,
                RUN_TOOL,
                ToolRequest(self._ref, tuple(requests[program.id] for program in chunk)),
            )
            for number, chunk in enumerate(chunks)
        ]
        for result in self._runner.run(jobs, ToolReport) if jobs else ():
            yield chunks[result.job], result

    def _requests(self, programs: Sequence[Program]) -> dict[str, Request]:
        """Return what to ask, by id; runs the programs first where the tool needs that."""
        tracebacks, texts = {}, {}
        if Need.TRACEBACK in self._told.needs:
            tracebacks = self._tracebacks(programs)
        if Need.ANNOTATIONS in self._told.needs:
            texts = self._annotations(programs)
        return {
            program.id: Request(
                id=program.id,
                file="",  # where it lies is known once it is there
                source=program.source,
                names=names_of(program.source),
                python=sys.executable,
                seconds=self._seconds,
                traceback=tracebacks.get(program.id),
                annotated=texts.get(program.id),
            )
            for program in programs
        }

    def _tracebacks(self, programs: Sequence[Program]) -> dict[str, str]:
        """Return what Python prints when each program is run; empty where it raises nothing."""
        jobs = [
            Job(number, SCRIPT, ScriptRequest(program.source, f"net_{program.id}.py", SEED))
            for number, program in enumerate(programs)
        ]
        found = {}
        for result in self._runner.run(jobs, ScriptRun):
            failed_run = f"{result.status}: {result.detail}"
            text = result.answer.traceback if result.answer else failed_run
            found[programs[result.job].id] = text
        return found

    def _annotations(self, programs: Sequence[Program]) -> dict[str, str]:
        """Return each program's text with the shapes of `forward`, as its healthy twin has them.

        A program whose shapes cannot be written down has none.
        """
        twins = {(p.entry, p.variant): p for p in programs if p.side is not Side.BROKEN}
        healthy = list(twins.values())
        jobs = [
            Job(number, OBSERVE, RunRequest(program.source, SEED, full=False))
            for number, program in enumerate(healthy)
        ]
        shapes: dict[tuple[str, int], tuple[list[str], str]] = {}
        for result in self._runner.run(jobs, Observation):
            layers = result.answer.layers if result.answer else []
            whole = [layer for layer in layers if not layer.path]
            if whole and whole[-1].output is not None:
                program = healthy[result.job]
                shapes[program.entry, program.variant] = contract(
                    whole[-1].inputs, whole[-1].output
                )
        found = {}
        for program in programs:
            if (program.entry, program.variant) in shapes:
                with contextlib.suppress(AnnotationError):
                    found[program.id] = annotated(
                        program.source, *shapes[program.entry, program.variant]
                    )
        return found


def _told(result: JobResult[ToolReport], chunk: Sequence[Program]) -> ToolReport | None:
    """Return what came back, if it is an answer for each program; a tool may have written it."""
    told = result.answer
    return told if told and len(told.diagnoses) == len(chunk) else None


def _results(result: JobResult[ToolReport], chunk: Sequence[Program]) -> Iterator[Result]:
    told = _told(result, chunk)
    if told is None:
        reason = result.detail or "it did not answer for each program"
        for program in chunk:
            yield Result(program, masked(failed(f"{result.status}: {reason}")), 0.0)
        return
    for program, diagnosis in zip(chunk, told.diagnoses, strict=True):
        yield Result(program, masked(diagnosis), told.seconds / len(chunk))


def masked(diagnosis: Diagnosis) -> Diagnosis:
    """Return a diagnosis without what varies from run to run: ids, paths, addresses."""

    def clean(text: str) -> str:
        return FILE.sub("net.py", mask(text))

    findings = [
        msgspec.structs.replace(finding, message=clean(finding.message))
        for finding in diagnosis.findings
    ]
    return msgspec.structs.replace(
        diagnosis, findings=findings, reason=clean(diagnosis.reason), id=""
    )
