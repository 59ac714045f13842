"""The `cost` command: count every forward pass, and compare with the recorded counts."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.cost import baseline
from broken_convnets.commands.cost.counting import count, programs_to_count
from broken_convnets.commands.shared_options import add_devices, add_ids, add_json, add_workers
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.locations import results_to_read, results_to_write
from broken_convnets.observe.runner import open_torch_runner, runtime_of
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.json_output import print_json
from broken_convnets.util.locks import locked
from broken_convnets.verdicts.collect import choose_devices

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from broken_convnets.commands.cost.baseline import Difference
    from broken_convnets.commands.cost.counting import Counts
    from broken_convnets.observe.facts import RuntimeInfo


@dataclass(frozen=True)
class DeviceReport:
    """The counts on one device, and how they differ from the baseline."""

    counts: Counts
    has_baseline: bool
    differences: list[Difference]


@dataclass(frozen=True)
class CostResults:
    """The reports of all available devices; `missing` contains the reason for each other one."""

    runtime: RuntimeInfo
    missing: dict[str, str]
    reports: list[DeviceReport] = field(default_factory=list)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_devices(parser)
    add_workers(parser)
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Count what the options ask for; return 1 if it differs from the baseline.

    Raises UsageError if the options, the baseline or the environment do not allow it.
    """
    corpus = load(options.corpus)
    known = set(programs_to_count(corpus, corpus.ids))
    results = _count_all(programs_to_count(corpus, corpus.select(options.ids)), known, options)
    if options.json:
        print_json(_document(results))
    else:
        _print(results)
    if options.update:
        for report in results.reports:
            print(
                f"updated {_update(corpus.root, results.runtime, report.counts, known)}",
                file=sys.stderr,
            )
        return int(any(report.counts.failed for report in results.reports))
    return int(any(report.differences for report in results.reports))


def _count_all(
    sources: dict[str, str], known: set[str], options: argparse.Namespace
) -> CostResults:
    """Count the programs on each device, and compare; a partial run does not look for gone ones."""
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_torch_runner(Limits(workers=options.workers, hidden=[str(options.corpus)]))
    with opened as runner:
        runtime = runtime_of(runner)
        devices, missing = choose_devices(options.device, runtime)
        results = CostResults(runtime, missing)
        for device in devices:
            path = baseline.path_of(results_to_read(options.corpus), runtime, device)
            recorded = baseline.read(path)
            counts = count(runner, sources, device)
            found = baseline.compare(recorded, counts, set() if options.ids else known)
            results.reports.append(DeviceReport(counts, recorded is not None, found))
    return results


def _update(root: Path, runtime: RuntimeInfo, counts: Counts, known: set[str]) -> Path:
    """Record the counts, and return the file."""
    results = results_to_write(root)
    path = baseline.path_of(results, runtime, counts.device)
    with locked(results):
        baseline.update(path, runtime, counts, known)
    return path


def _print(results: CostResults) -> None:
    for report in results.reports:
        for difference in report.differences:
            print(difference)
        summary = f"different from the recorded counts: {len(report.differences)}"
        if not report.has_baseline:
            summary = "nothing is recorded for this release: pass --update to record it"
        counted = f"programs counted: {len(report.counts.programs)}"
        print(f"{report.counts.device}: {counted}, {summary} (torch {results.runtime.torch})")
    for device, reason in results.missing.items():
        print(f"{device}: not tried ({reason})")


def _document(results: CostResults) -> dict[str, Any]:
    return {
        "torch": results.runtime.torch,
        "not_tried": results.missing,
        "devices": {
            report.counts.device: {
                "programs": report.counts.programs,
                "differences": {found.program: found.lines for found in report.differences},
            }
            for report in results.reports
        },
    }
