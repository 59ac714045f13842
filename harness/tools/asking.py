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

from ..errors import UsageError
from ..explaining.mask import mask
from ..facts import Job, Task, Told, ToolRef
from ..results.records import layer_line
from .annotate import AnnotationError, annotated, contract
from .folder import names_of
from .programs import Side
from .protocol import Diagnosis, Need, Request, failed
from .result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..facts import Ending
    from ..isolation.runner import Runner
    from .programs import Program

FILE = re.compile(r"(?:[^\s'\"(),]*/)?(?:net_)?[0-9a-f]{12}a?(?:\.py)?\b")
SEED = 0  # that programs run with where a tool needs a traceback


def describe(runner: Runner, ref: ToolRef) -> Told:
    """Return what a tool says of itself: version, needs, batch.

    Raises UsageError where there is no such tool, or something must be installed first.
    """
    (ending,) = runner.run([Job(0, task=Task.DIAGNOSE, tool=ref)])
    told = _told(ending, [])
    if told is None:
        message = f"the tool {ref.name} cannot be opened: {ending.detail}"
        raise UsageError(message)
    if told.missing:
        raise UsageError(told.missing)
    return told


class Asking:
    """Asks one tool about programs, on one runner."""

    def __init__(self, runner: Runner, ref: ToolRef, told: Told, seconds: float) -> None:
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
    ) -> Iterator[tuple[Sequence[Program], Ending]]:
        jobs = [
            Job(number, task=Task.DIAGNOSE, tool=self._ref,
                requests=tuple(requests[program.id] for program in chunk))
            for number, chunk in enumerate(chunks)
        ]  # fmt: skip
        for ending in self._runner.run(jobs) if jobs else ():
            yield chunks[ending.job], ending

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
        jobs = [Job(number, program.source, SEED, lesson=f"net_{program.id}.py", task=Task.PLAY)
                for number, program in enumerate(programs)]  # fmt: skip
        found = {}
        for ending in self._runner.run(jobs):
            lesson = ending.observation and ending.observation.lesson
            text = lesson.traceback if lesson else f"{ending.end}: {ending.detail}"
            found[programs[ending.job].id] = text
        return found

    def _annotations(self, programs: Sequence[Program]) -> dict[str, str]:
        """Return each program's text with the shapes of `forward`, as its healthy twin has them.

        A program whose shapes cannot be written down has none.
        """
        twins = {(p.entry, p.variant): p for p in programs if p.side is not Side.BROKEN}
        healthy = list(twins.values())
        jobs = [Job(number, program.source, SEED, first=False)
                for number, program in enumerate(healthy)]  # fmt: skip
        shapes: dict[tuple[str, int], tuple[list[str], str]] = {}
        for ending in self._runner.run(jobs):
            whole = [layer for layer in ending.observation.layers if not layer.path
                     ] if ending.observation else []  # fmt: skip
            if whole and whole[-1].gives is not None:
                program = healthy[ending.job]
                shapes[program.entry, program.variant] = contract(layer_line(whole[-1]))
        found = {}
        for program in programs:
            if (program.entry, program.variant) in shapes:
                with contextlib.suppress(AnnotationError):
                    found[program.id] = annotated(
                        program.source, *shapes[program.entry, program.variant]
                    )
        return found


def _told(ending: Ending, chunk: Sequence[Program]) -> Told | None:
    """Return what came back, if it is an answer for each program; a tool may have written it."""
    told = ending.observation.told if ending.observation else None
    return told if told and len(told.diagnoses) == len(chunk) else None


def _results(ending: Ending, chunk: Sequence[Program]) -> Iterator[Result]:
    told = _told(ending, chunk)
    if told is None:
        reason = ending.detail or "it did not answer for each program"
        for program in chunk:
            yield Result(program, masked(failed(f"{ending.end}: {reason}")), 0.0)
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
