"""The `cost` command: count every program's forward pass, and compare with what is recorded.

`results/torch-<release>/cost/<device>.toml` holds the counts. They are the same on every
run, so under the same release any difference is a change of the program.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.cost.baseline import CostBook, difference_lines, read
from broken_convnets.commands.shared_options import add_devices, add_ids, add_json, add_workers
from broken_convnets.corpus.entries import Case, load
from broken_convnets.corpus.locations import results_to_read, results_to_write
from broken_convnets.observe.facts import CostReport, RunRequest
from broken_convnets.observe.runner import COUNT, open_torch_runner, runtime_of
from broken_convnets.sandbox.job import Job, JobResult, Limits
from broken_convnets.util import terminal
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import track
from broken_convnets.util.toml_files import write_toml
from broken_convnets.verdicts.collect import choose_devices
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus, Entry
    from broken_convnets.observe.facts import Cost, RuntimeInfo
    from broken_convnets.sandbox.runner import Runner

TWICE = 2  # each program is counted in two processes, which must agree


@dataclass(frozen=True)
class Difference:
    """What is not as recorded in one program: a line for each count, recorded and here."""

    program: str
    lines: list[str]

    def __str__(self) -> str:
        """Return the name with the lines below it."""
        return "\n  ".join([self.program, *self.lines])


@dataclass(frozen=True)
class Counts:
    """What one command counted on one device; `failed` says why a program has no counts."""

    device: str
    programs: dict[str, Cost]
    failed: dict[str, str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_devices(parser)
    add_workers(parser)
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Count what the options ask for; return 1 where it is not as recorded.

    Raises UsageError where the options, the records or the environment do not allow it.
    """
    corpus = load(options.corpus)
    sides = sides_to_count(corpus, corpus.select(options.ids))
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_torch_runner(Limits(workers=options.workers))
    with opened as runner:
        runtime = runtime_of(runner)
        devices, missing = choose_devices(options.device, runtime)
        counted = [count(runner, sides, device) for device in devices]
    known = set(sides_to_count(corpus, corpus.ids))
    results = results_to_read(corpus.root)
    books = {device: read(_path(results, runtime, device)) for device in devices}
    differences = {
        item.device: compare(books[item.device], item, known if not options.ids else set())
        for item in counted
    }
    if options.json:
        document = _document(runtime, counted, differences, missing)
        print_json(document)
    else:
        _print(runtime, counted, differences, books, missing)
    if options.update:
        for item in counted:
            print(f"updated {update(corpus, runtime, item, known)}", file=sys.stderr)
        return int(any(item.failed for item in counted))
    return int(any(differences.values()))


def sides_to_count(corpus: Corpus, ids: list[str]) -> dict[str, str]:
    """Return the source of each program that has a forward pass, by `<id> <side>`.

    Those are the fixes, the controls, and the cases that raise nothing.
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


def count(runner: Runner, sides: dict[str, str], device: str) -> Counts:
    """Count each program in two processes; what differs between them has no counts."""
    names = [name for name in sides for _ in range(TWICE)]
    jobs = [
        Job(number, COUNT, RunRequest(sides[name], 0, device)) for number, name in enumerate(names)
    ]
    found: dict[str, list[JobResult[CostReport]]] = {name: [] for name in sides}
    for ending in track(runner.run(jobs, CostReport), f"counting on {device}", len(jobs)):
        found[names[ending.job]].append(ending)
    counts = Counts(device, {}, {})
    for name, endings in found.items():
        costs = [ending.answer and ending.answer.cost for ending in endings]
        if costs[0] and all(item == costs[0] for item in costs):
            counts.programs[name] = costs[0]
        else:
            counts.failed[name] = _reason(endings)
    return counts


def _reason(endings: list[JobResult[CostReport]]) -> str:
    for ending in endings:
        if ending.answer is None:
            return f"{ending.status}: {ending.detail}"
        if ending.answer.raised:
            raised = ending.answer.raised
            return f"{raised.type}: {raised.message}".splitlines()[0]
    return "two processes counted differently"


def compare(book: CostBook | None, counts: Counts, known: set[str]) -> list[Difference]:
    """Return where the counts are not as recorded; nothing is to compare without a book.

    A program that is recorded, but is not among those `known`, is a difference where any
    are: that is where the whole corpus was counted.
    """
    differences = [Difference(name, [reason]) for name, reason in counts.failed.items()]
    if book is None:
        return differences
    for name, here in counts.programs.items():
        lines = difference_lines(book.programs.get(name), here)
        differences += [Difference(name, lines)] if lines else []
    gone = sorted(book.programs.keys() - known) if known else []
    return differences + [Difference(name, ["recorded, but no longer there"]) for name in gone]


def _path(results: Path, runtime: RuntimeInfo, device: str) -> Path:
    return results / f"torch-{runtime.torch}" / "cost" / f"{device}.toml"


def update(corpus: Corpus, runtime: RuntimeInfo, counts: Counts, known: set[str]) -> Path:
    """Record the counts beside those of programs that were not counted now; return where."""
    path = _path(results_to_write(corpus.root), runtime, counts.device)
    former = read(path)
    programs = {**(former.programs if former else {}), **counts.programs}
    kept = {name: programs[name] for name in sorted(programs) if name in known}
    write_toml(path, CostBook(runtime.torch, counts.device, kept))
    return path


def _print(
    runtime: RuntimeInfo,
    counted: list[Counts],
    differences: dict[str, list[Difference]],
    books: dict[str, CostBook | None],
    missing: dict[str, str],
) -> None:
    for item in counted:
        for difference in differences[item.device]:
            print(difference)
        against = f"{len(differences[item.device])} not as recorded"
        if books[item.device] is None:
            against = "nothing is recorded for this release: --update records them"
        print(
            f"{item.device}: programs counted: {len(item.programs)}, {against} "
            f"(torch {runtime.torch})"
        )
    for device, reason in missing.items():
        print(f"{device}: not tried ({reason})")


def _document(
    runtime: RuntimeInfo,
    counted: list[Counts],
    differences: dict[str, list[Difference]],
    missing: dict[str, str],
) -> dict[str, Any]:
    return {
        "torch": runtime.torch,
        "not_tried": missing,
        "devices": {
            item.device: {
                "programs": item.programs,
                "differences": {found.program: found.lines for found in differences[item.device]},
            }
            for item in counted
        },
    }
