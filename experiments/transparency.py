"""Compare programs run plainly and under `diagnose`: whatever the outside can see must be equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.observe.user_program import UserProgram
from broken_convnets.sandbox.job import Job

from experiments.transparency_job import RUN, RunRequest, VisibleRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broken_convnets.sandbox.runner import Runner


def visible_differences(runner: Runner, paths: Sequence[Path], directory: Path) -> dict[Path, str]:
    """Return, for each program that shows a difference in `directory`, what differs."""
    requests = [
        RunRequest(UserProgram(str(path)), str(directory), recorded)
        for path in paths
        for recorded in (False, True)
    ]
    jobs = [Job(number, RUN, request) for number, request in enumerate(requests)]
    results = {result.job: result for result in runner.run(jobs, VisibleRun)}
    found = {}
    for number, path in enumerate(paths):
        plain, recorded = results[2 * number], results[2 * number + 1]
        if plain.answer is None or recorded.answer is None:
            found[path] = f"plain: {plain.detail}; recorded: {recorded.detail}"
        elif different := _different(plain.answer, recorded.answer):
            found[path] = different
    return found


def _different(plain: VisibleRun, recorded: VisibleRun) -> str:
    names = VisibleRun.__struct_fields__
    return ", ".join(name for name in names if getattr(plain, name) != getattr(recorded, name))
