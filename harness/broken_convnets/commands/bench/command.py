"""The `bench` command: compare times in one run, and say what can be said of them."""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import sys
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.bench import stored
from broken_convnets.commands.bench.compare import (
    AGAIN,
    NEW,
    OLD,
    Bench,
    Effort,
    open_bench,
    rounds,
)
from broken_convnets.commands.bench.comparison_results import Findings, Row, comparison_table
from broken_convnets.commands.bench.protocol import Call, Target
from broken_convnets.commands.bench.verdict import CONFIDENCE, Speed, judge
from broken_convnets.commands.bench.worker_group import CannotTime
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import Case, load
from broken_convnets.corpus.revision import corpus_at
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import fraction, positive, seconds
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import progress_bar
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.corpus.entries import Corpus

FAILURE_SAMPLES = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--against", metavar="REV", help="another git commit of the corpus")
    parser.add_argument(
        "--against-python", metavar="PATH", help="another interpreter, and thus another torch"
    )
    parser.add_argument(
        "--broken", action="store_true", help="each case against its fix, or until it fails"
    )
    parser.add_argument(
        "--save", action="store_true", help="with --broken: keep it in results/timing/ for `show`"
    )
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions under valgrind instead"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--size",
        default="small",
        choices=("small", "batch", "image"),
        help="the program's own inputs, a batch of 32, or 224x224 pixels",
    )
    parser.add_argument(
        "--processes", type=positive, default=5, metavar="N", help="to pool (default 5)"
    )
    parser.add_argument(
        "--seconds", type=seconds, default=2.8, metavar="S", help="for each entry (default 2.8)"
    )
    parser.add_argument(
        "--margin",
        type=fraction,
        default=0.01,
        metavar="SHARE",
        help="what is still the same (default 0.01)",
    )
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run what the options ask for; return 1 where something is slower.

    Raises UsageError where the options or the environment do not allow it.
    """
    corpus = load(options.corpus)
    if options.instructions:
        from broken_convnets.commands.bench.instructions import instructions  # noqa: PLC0415  (a mode of its own)

        return instructions(corpus, options)
    names = [name for name in corpus.select(options.ids) if name in corpus.entries]
    if options.broken:
        return _broken(corpus, names, options)
    if not options.against and not options.against_python:
        message = "say against what: --against REV, --against-python PATH, or --broken"
        raise UsageError(message)
    pairs, rows = _sides(corpus, names, options)
    findings = _compare(pairs, options)
    findings.rows += rows
    _tell(findings, options)
    return findings.exit_code or int(findings.slower)


def _sides(
    corpus: Corpus, names: list[str], options: argparse.Namespace
) -> tuple[dict[str, tuple[Target, Target]], list[Row]]:
    """Return the old and the new program of each entry to time, and rows of the others."""
    former = corpus_at(corpus, options.against) if options.against else corpus
    pairs: dict[str, tuple[Target, Target]] = {}
    rows = []
    for name in names:
        if name not in former.entries:
            rows.append(Row(name, reason=f"is not in {options.against}"))
            continue
        old, new = (each.entries[name].programs()["fixed"] for each in (former, corpus))
        if old == new and not options.ids and not options.against_python:
            continue  # the same program under the same interpreter
        call = {"size": options.size, "device": options.device}
        pairs[name] = (Target(old, **call), Target(new, **call))
    return pairs, rows


def _compare(pairs: dict[str, tuple[Target, Target]], options: argparse.Namespace) -> Findings:
    if not pairs:
        return Findings(Bench([], {}, {}))
    effort = Effort(options.processes, options.seconds)

    def one(opened: Bench, name: str) -> Row:
        old, new = pairs[name]
        taken = rounds(opened.teams, {OLD: old, NEW: new, AGAIN: old}, effort)
        return Row(name, judge(taken, options.margin))

    return _each(pairs, options, one)


def _each(
    names: Iterable[str], options: argparse.Namespace, one: Callable[[Bench, str], Row]
) -> Findings:
    """Return a row for each name; an interruption keeps those that are complete."""
    old = options.against_python or sys.executable
    console = terminal.console(stderr=True)
    console.print(f"loading torch in {options.processes} processes …")
    with (
        open_bench(old, sys.executable, options.device, options.processes) as opened,
        progress_bar(f"timing {len(list(names))} programs", len(list(names))) as bar,
        interruptible() as interruption,
    ):
        findings = Findings(opened)
        findings.wanted = len(list(names))
        for name in names:
            try:
                findings.rows.append(one(opened, name))
            except CannotTime as error:
                findings.rows.append(Row(name, reason=str(error)))
            bar.advance(detail=name)
    findings.exit_code = interruption.exit_code
    return findings


def _broken(corpus: Corpus, names: list[str], options: argparse.Namespace) -> int:
    """Time each case beside its fix, or until it fails."""
    cases = {name: entry for name in names if isinstance(entry := corpus.entries[name], Case)}
    effort = Effort(options.processes, options.seconds)

    def one(opened: Bench, name: str) -> Row:
        case = cases[name]
        if case.spec.broken.stage is not Stage.SILENT:
            failing = Target(case.broken, Call.FAILURE, device=options.device)
            return Row(name, failure_ns=_time_to_failure(opened, failing))
        old, new = (
            Target(source, Call.RUN, device=options.device) for source in (case.broken, case.fixed)
        )
        taken = rounds(opened.teams, {OLD: old, NEW: new, AGAIN: old}, effort)
        return Row(name, judge(taken, options.margin))

    findings = _each(cases, options, one)
    _tell(findings, options)
    if options.save and not findings.exit_code:
        print(f"saved {_save(corpus, findings, options.device)}", file=sys.stderr)
    return findings.exit_code


def _time_to_failure(opened: Bench, target: Target) -> float:
    """Return the median over processes of the least time to the exception, in nanoseconds."""
    times = []
    for team in opened.teams:
        worker = team.workers[OLD]
        try:
            worker.open({OLD: target})
            times.append(min(worker.time([OLD] * FAILURE_SAMPLES, 1)))
        finally:
            worker.close_programs()
    return statistics.median(times)


def _save(corpus: Corpus, findings: Findings, device: str) -> Any:
    compared = {row.id: row.comparison.ratio for row in findings.rows if row.comparison}
    costs = {
        name: stored.FixCost(*(round(value, 3) for value in (r.median, r.low, r.high)))
        for name, r in compared.items()
    }
    failures = {row.id: round(row.failure_ns / 1000, 1) for row in findings.rows if row.failure_ns}
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    times = stored.BrokenTimes(device, findings.bench.new, today, costs, failures)
    return stored.save(corpus.root / "results", times)


def _tell(findings: Findings, options: argparse.Namespace) -> None:
    if options.json:
        document = _document(findings, options)
        print_json(document)
    else:
        console = terminal.console()
        if findings.rows:
            console.print(comparison_table(findings.rows))
        for line in _summary(findings, options):
            console.print(line)
    if findings.exit_code:
        print(
            f"interrupted: {len(findings.rows)} of {findings.wanted} entries are known",
            file=sys.stderr,
        )


def _summary(findings: Findings, options: argparse.Namespace) -> Iterable[str]:
    speeds = [row.comparison.speed for row in findings.rows if row.comparison]
    if not findings.rows:
        yield "every program is the same on both sides: nothing to time (name ids to time them)"
    if speeds:
        counts = ", ".join(f"{speeds.count(speed)} {speed}" for speed in Speed)
        yield f"{counts}, at a margin of {options.margin:.1%} and {CONFIDENCE:.0%} confidence"
    if findings.noise is not None:
        yield f"this machine tells a program from itself to within ±{findings.noise:.1%}"


def _document(findings: Findings, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "old": {
            "python": options.against_python,
            "revision": options.against,
            "fingerprint": findings.bench.old,
        },
        "new": {"fingerprint": findings.bench.new},
        "device": options.device,
        "size": options.size,
        "margin": options.margin,
        "confidence": CONFIDENCE,
        "processes": options.processes,
        "noise": findings.noise,
        "interrupted": bool(findings.exit_code),
        "entries": findings.rows,
    }
