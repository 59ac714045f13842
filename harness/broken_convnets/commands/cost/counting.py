"""Count the forward passes of programs, each in two processes that must agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.corpus.entries import Case
from broken_convnets.observe.facts import CostReport, RunRequest
from broken_convnets.observe.runner import COUNT
from broken_convnets.sandbox.job import Job, JobResult
from broken_convnets.util.progress import track
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus, Entry
    from broken_convnets.observe.facts import Cost
    from broken_convnets.sandbox.runner import Runner

PROCESSES = 2  # that count each program


@dataclass(frozen=True)
class Counts:
    """The counts of programs on one device; `failed` contains the reason for missing ones."""

    device: str
    programs: dict[str, Cost]
    failed: dict[str, str]


def programs_to_count(corpus: Corpus, ids: list[str]) -> dict[str, str]:
    """Return the source of each program whose forward pass returns, by `<id> <side>`.

    These are the fixes, the controls, and the cases that raise nothing.
    """
    entries = {name: corpus.entries[name] for name in ids if name in corpus.entries}
    return {
        f"{name} {side}": source
        for name, entry in entries.items()
        for side, source in entry.programs().items()
        if side == "fixed" or _is_silent(entry)
    }


def _is_silent(entry: Entry) -> bool:
    return isinstance(entry, Case) and entry.spec.broken.stage is Stage.SILENT


def count(runner: Runner, sources: dict[str, str], device: str) -> Counts:
    """Count each program in PROCESSES processes; it has no counts if they disagree."""
    names = [name for name in sources for _ in range(PROCESSES)]
    jobs = [
        Job(number, COUNT, RunRequest(sources[name], 0, device))
        for number, name in enumerate(names)
    ]
    results: dict[str, list[JobResult[CostReport]]] = {name: [] for name in sources}
    for result in track(runner.run(jobs, CostReport), f"counting on {device}", len(jobs)):
        results[names[result.job]].append(result)
    counts = Counts(device, {}, {})
    for name, both in results.items():
        costs = [result.answer and result.answer.cost for result in both]
        if costs[0] and all(cost == costs[0] for cost in costs):
            counts.programs[name] = costs[0]
        else:
            counts.failed[name] = _reason(both)
    return counts


def _reason(results: list[JobResult[CostReport]]) -> str:
    """Return why a program has no counts, on one line."""
    for result in results:
        if result.answer is None:
            return f"{result.status}: {result.detail}"
        if raised := result.answer.raised:
            return f"{raised.type}: {raised.message}".splitlines()[0]
    return "two processes counted differently"
