"""Run programs to obtain what some tools need: their tracebacks and the shapes of `forward`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from broken_convnets.commands.score.programs.annotate import AnnotationError, annotate
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.programs.workspace import file_name
from broken_convnets.observe.facts import Observation, RunRequest, ScriptRequest, ScriptRun
from broken_convnets.observe.runner import OBSERVE, SCRIPT
from broken_convnets.sandbox.job import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.sandbox.runner import Runner

SEED = 0


def tracebacks(runner: Runner, programs: Sequence[CorpusProgram]) -> dict[str, str]:
    """Return, by id, what Python prints when each program runs; empty if it raises nothing."""
    jobs = [
        Job(number, SCRIPT, ScriptRequest(program.source, file_name(program.id), SEED))
        for number, program in enumerate(programs)
    ]
    texts = {}
    for result in runner.run(jobs, ScriptRun):
        failure = f"{result.status}: {result.detail}"
        texts[programs[result.job].id] = result.answer.traceback if result.answer else failure
    return texts


def annotated_sources(runner: Runner, programs: Sequence[CorpusProgram]) -> dict[str, str]:
    """Return, by id, each program with annotated shapes, observed in its healthy version.

    A program whose shapes cannot be written as annotations is left out.
    """
    shapes = _shapes(runner, programs)
    texts = {}
    for program in programs:
        key = program.entry, program.variant
        if key in shapes:
            with contextlib.suppress(AnnotationError):
                texts[program.id] = annotate(program.source, *shapes[key])
    return texts


def _shapes(
    runner: Runner, programs: Sequence[CorpusProgram]
) -> dict[tuple[str, int], tuple[str, str]]:
    """Return the descriptions of the network's inputs and output, by entry and variant."""
    healthy = [program for program in programs if program.role is not ProgramRole.BROKEN]
    jobs = [
        Job(number, OBSERVE, RunRequest(program.source, SEED, full=False))
        for number, program in enumerate(healthy)
    ]
    shapes = {}
    for result in runner.run(jobs, Observation):
        layers = result.answer.layers if result.answer else []
        network = [layer for layer in layers if not layer.path]
        if network and network[-1].output is not None:
            program = healthy[result.job]
            shapes[program.entry, program.variant] = (network[-1].inputs, network[-1].output)
    return shapes
