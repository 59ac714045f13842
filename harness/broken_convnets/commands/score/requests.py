"""Send requests to a tool: prepare them, run the tool in sandboxed processes, read its answers.

A request reveals nothing about the corpus: ids are opaque, the order is random, and each file
is in its own folder. A process ends with its requests, so its state affects no other request.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.program_facts import annotated_sources, tracebacks
from broken_convnets.commands.score.programs.hand_out import batches
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.programs.workspace import part_names
from broken_convnets.commands.score.protocol.messages import Diagnosis, Need, Request
from broken_convnets.commands.score.protocol.validation import (
    ProtocolError,
    check_kinds,
    error_diagnosis,
)
from broken_convnets.commands.score.tool_jobs import RUN_TOOL, ToolJob, ToolRef, ToolReport
from broken_convnets.errors import UsageError
from broken_convnets.sandbox.job import Job
from broken_convnets.util.mask import mask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.sandbox.job import JobResult
    from broken_convnets.sandbox.runner import Runner

FILE = re.compile(r"(?:[^\s'\"(),]*/)?(?:net_)?[0-9a-f]{12}a?(?:\.py)?\b")


def describe_tool(runner: Runner, ref: ToolRef) -> ToolReport:
    """Return the tool's description: version, needs, batch.

    Raises UsageError if there is no such tool or something must be installed first.
    """
    (result,) = runner.run([Job(0, RUN_TOOL, ToolJob(ref), isolated=False)], ToolReport)
    report = _complete_report(result, [])
    if report is None:
        message = f"cannot open the tool {ref.name}: {result.detail}"
        raise UsageError(message)
    if report.missing:
        raise UsageError(report.missing)
    return report


class ToolClient:
    """Runs one tool on programs."""

    def __init__(
        self,
        runner: Runner,
        ref: ToolRef,
        description: ToolReport,
        seconds: float,
        kinds: Collection[str],
    ) -> None:
        """Use an open runner. Requests state `seconds` as the limit; findings may use `kinds`."""
        self._runner = runner
        self._ref = ref
        self._description = description
        self._seconds = seconds
        self._kinds = kinds

    def diagnose(self, programs: Sequence[CorpusProgram]) -> Iterator[ToolResult]:
        """Yield a result for each program, in the order of completion.

        If a process with several programs returns no valid report, each of its programs is
        diagnosed again in its own process.
        """
        if not programs:
            return
        requests = self._requests(programs)
        chunks = list(batches(programs, max(1, self._description.batch)))
        retry: list[CorpusProgram] = []
        for chunk, result in self._run(chunks, requests):
            if len(chunk) > 1 and not _complete_report(result, chunk):
                retry += chunk
            else:
                yield from self._results(result, chunk)
        for chunk, result in self._run([[program] for program in retry], requests):
            yield from self._results(result, chunk)

    def _run(
        self, chunks: list[list[CorpusProgram]], requests: dict[str, Request]
    ) -> Iterator[tuple[Sequence[CorpusProgram], JobResult[ToolReport]]]:
        jobs = [
            Job(
                number,
                RUN_TOOL,
                ToolJob(self._ref, tuple(requests[one.id] for one in chunk)),
                isolated=False,  # a tool may call a service, and reads files of its own
            )
            for number, chunk in enumerate(chunks)
        ]
        for result in self._runner.run(jobs, ToolReport) if jobs else ():
            yield chunks[result.job], result

    def _requests(self, programs: Sequence[CorpusProgram]) -> dict[str, Request]:
        """Return the requests by id; runs the programs first if the tool needs that."""
        needs = self._description.needs
        texts = tracebacks(self._runner, programs) if Need.TRACEBACK in needs else {}
        annotated = annotated_sources(self._runner, programs) if Need.ANNOTATIONS in needs else {}
        return {
            program.id: Request(
                id=program.id,
                file="",  # the child process writes the file and inserts its path
                source=program.source,
                names=part_names(program.source),
                python=sys.executable,
                seconds=self._seconds,
                traceback=texts.get(program.id),
                annotated=annotated.get(program.id),
            )
            for program in programs
        }

    def _results(
        self, result: JobResult[ToolReport], chunk: Sequence[CorpusProgram]
    ) -> Iterator[ToolResult]:
        report = _complete_report(result, chunk)
        if report is None:
            reason = result.detail or "the tool did not return one diagnosis per program"
            diagnosis = masked(error_diagnosis(f"{result.status}: {reason}"))
            yield from (ToolResult(program, diagnosis, 0.0) for program in chunk)
            return
        for program, diagnosis in zip(chunk, report.diagnoses, strict=True):
            checked = _with_known_kinds(diagnosis, self._kinds)
            yield ToolResult(program, masked(checked), report.seconds / len(chunk))


def _complete_report(
    result: JobResult[ToolReport], chunk: Sequence[CorpusProgram]
) -> ToolReport | None:
    """Return the report if it has one diagnosis per program; a tool may have written any."""
    report = result.answer
    return report if report and len(report.diagnoses) == len(chunk) else None


def _with_known_kinds(diagnosis: Diagnosis, kinds: Collection[str]) -> Diagnosis:
    """Return the diagnosis, or an error diagnosis if it names an unknown kind."""
    try:
        check_kinds(diagnosis, kinds)
    except ProtocolError as error:
        return error_diagnosis(str(error))
    return diagnosis


def masked(diagnosis: Diagnosis) -> Diagnosis:
    """Return a diagnosis without the parts that differ between runs: ids, paths, addresses."""

    def clean(text: str) -> str:
        return FILE.sub("net.py", mask(text))

    findings = [
        msgspec.structs.replace(finding, message=clean(finding.message))
        for finding in diagnosis.findings
    ]
    return msgspec.structs.replace(
        diagnosis, findings=findings, reason=clean(diagnosis.reason), id=""
    )
