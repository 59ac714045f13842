"""The `bench` command: compare the times of programs in one run."""

from __future__ import annotations

import datetime as dt
import sys
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.bench import report as reports
from broken_convnets.commands.bench import stored
from broken_convnets.commands.bench.compare import Bench, CannotTime, Effort, open_bench
from broken_convnets.commands.bench.report import BenchReport, EntryTiming
from broken_convnets.commands.bench.timing_job import Call, TimedProgram
from broken_convnets.commands.bench.verdict import MARGIN, Speed, verdict_of
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import Case, load
from broken_convnets.corpus.locations import results_to_write
from broken_convnets.corpus.revision import corpus_at
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import fraction, positive, seconds
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import track
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus

    Timer = Callable[[Bench], EntryTiming]

SIZES = ("small", "batch", "image")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--against", metavar="REV", help="compare with the corpus at another git commit"
    )
    parser.add_argument(
        "--against-python",
        metavar="PATH",
        help="compare with another Python interpreter, which may have another torch",
    )
    parser.add_argument(
        "--broken",
        action="store_true",
        help="compare each case with its fix, or time it until it fails",
    )
    parser.add_argument(
        "--save",
        action="store_true",
        help="with --broken: save the times in results/timing/ for `show`",
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--size",
        default="small",
        choices=SIZES,
        help="the program's example inputs, a batch of 32, or 224x224 pixels",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        default=Effort.processes,
        metavar="N",
        help=f"number of processes to pool (default {Effort.processes})",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=Effort.seconds,
        metavar="S",
        help=f"processor time for each entry (default {Effort.seconds})",
    )
    parser.add_argument(
        "--margin",
        type=fraction,
        default=MARGIN,
        metavar="SHARE",
        help=f"equivalence margin, as a fraction (default {MARGIN})",
    )
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Time what the options ask for; return 1 if something is slower than it was.

    Raises UsageError if the options or the environment do not allow it.
    """
    corpus = load(options.corpus)
    names = [name for name in corpus.select(options.ids) if name in corpus.entries]
    if options.broken:
        return _compare_cases_with_fixes(corpus, names, options)
    if not options.against and not options.against_python:
        message = "nothing to compare with: pass --against REV, --against-python PATH, or --broken"
        raise UsageError(message)
    return _compare_versions(corpus, names, options)


def _compare_versions(corpus: Corpus, names: list[str], options: argparse.Namespace) -> int:
    """Compare each fix and control with its old version, or under the other interpreter."""
    former = corpus_at(corpus, options.against) if options.against else corpus
    timers: dict[str, Timer] = {}
    for name in names:
        if name not in former.entries:
            continue
        old, new = (each.entries[name].programs()["fixed"] for each in (former, corpus))
        if old == new and not options.ids and not options.against_python:
            continue  # the same program under the same interpreter
        call = {"size": options.size, "device": options.device}
        programs = TimedProgram(old, **call), TimedProgram(new, **call)
        timers[name] = partial(_comparison, name, *programs, options)
    report = _time_each(timers, options)
    report.entries += [
        EntryTiming(name, reason=f"does not exist in {options.against}")
        for name in names
        if name not in former.entries
    ]
    _print(report, options)
    return report.exit_code or int(Speed.SLOWER in report.speeds)


def _compare_cases_with_fixes(corpus: Corpus, names: list[str], options: argparse.Namespace) -> int:
    """Compare each silent case with its fix, and time the others until they fail."""
    timers: dict[str, Timer] = {}
    for name in names:
        if not isinstance(case := corpus.entries[name], Case):
            continue
        if case.spec.broken.stage is Stage.SILENT:
            call = {"call": Call.RUN, "device": options.device}
            programs = TimedProgram(case.broken, **call), TimedProgram(case.fixed, **call)
            timers[name] = partial(_comparison, name, *programs, options)
        else:
            failing = TimedProgram(case.broken, Call.FAILURE, device=options.device)
            timers[name] = partial(_time_to_failure, name, failing, options)
    report = _time_each(timers, options)
    _print(report, options)
    if options.save and not report.exit_code:
        print(f"saved {_save(corpus, report, options.device)}", file=sys.stderr)
    return report.exit_code


def _comparison(
    name: str, old: TimedProgram, new: TimedProgram, options: argparse.Namespace, bench: Bench
) -> EntryTiming:
    rounds = bench.compare(old, new, Effort(options.processes, options.seconds))
    return EntryTiming(name, verdict_of(rounds, options.margin))


def _time_to_failure(
    name: str, failing: TimedProgram, options: argparse.Namespace, bench: Bench
) -> EntryTiming:
    effort = Effort(options.processes, options.seconds)
    return EntryTiming(name, failure_ns=bench.time_alone(failing, effort))


def _time_each(timers: dict[str, Timer], options: argparse.Namespace) -> BenchReport:
    """Return an entry for each timer; after an interruption, for those that are complete."""
    report = BenchReport(total=len(timers))
    if not timers:
        return report
    pythons = options.against_python or sys.executable, sys.executable
    effort = Effort(options.processes, options.seconds)
    terminal.console(stderr=True).print("loading torch …")
    with interruptible() as interruption, open_bench(*pythons, options.device, effort) as bench:
        report.old, report.new = bench.old, bench.new
        for name, timer in track(timers.items(), f"timing {len(timers)} programs", len(timers)):
            report.entries.append(_entry(name, timer, bench))
    report.exit_code = interruption.exit_code
    return report


def _entry(name: str, timer: Timer, bench: Bench) -> EntryTiming:
    try:
        return timer(bench)
    except CannotTime as error:
        return EntryTiming(name, reason=str(error))


def _save(corpus: Corpus, report: BenchReport, device: str) -> Path:
    ratios = {each.id: each.comparison.ratio for each in report.entries if each.comparison}
    costs = {
        name: stored.FixCost(*(round(value, 3) for value in (r.median, r.low, r.high)))
        for name, r in ratios.items()
    }
    failures = {
        each.id: round(each.failure_ns / 1000, 1) for each in report.entries if each.failure_ns
    }
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    times = stored.BrokenTimes(device, report.new, today, costs, failures)
    return stored.save(results_to_write(corpus.root), times)


def _print(report: BenchReport, options: argparse.Namespace) -> None:
    if options.json:
        print_json(reports.document(report, options))
    else:
        console = terminal.console()
        if report.entries:
            console.print(reports.comparison_table(report.entries))
        for line in reports.summary(report, options.margin):
            console.print(line)
    if report.exit_code:
        done = f"{len(report.entries)} of {report.total} entries are complete"
        print(f"interrupted: {done}", file=sys.stderr)
