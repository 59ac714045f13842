"""One `reproduce` command from start to end: progress, Ctrl-C, blessing, report, exit code."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import records, report
from .facts import Ending, Hello, Limits
from .reproduce import (
    SEEDS,
    DeviceError,
    Interrupted,
    Outcome,
    Plan,
    Results,
    all_as_declared,
    choose_devices,
    collect,
    plan,
)
from .runner import Runner, RunnerError, open_runner

if TYPE_CHECKING:
    import argparse

    from .corpus import Corpus

USAGE_ERROR = 2


def reproduce(corpus: Corpus, options: argparse.Namespace) -> int:
    """Run what the options ask for; return the exit code."""
    ids = corpus.select(options.ids)
    results = corpus.root / "results"
    books = records.read_all(results)
    started = time.perf_counter()
    try:
        with open_runner(Limits(seconds=options.timeout, workers=options.workers)) as runner:
            hello = runner.hello
            devices, missing = choose_devices(options.device, hello)
            layout = plan(corpus, ids, devices, options.repeat)
            collected, interrupted = _collect(runner, layout)
    except (DeviceError, RunnerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR
    outcomes = collected.outcomes(books, hello)
    seconds = time.perf_counter() - started
    if options.json:
        document = _document(outcomes, hello, devices, missing, options, seconds)
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        _print(outcomes, hello, missing, books, seconds, len(layout.jobs))
    if interrupted:
        done = f"interrupted: {len(outcomes)} of {len(ids) * len(devices)} entries are known"
        print(done, file=sys.stderr)
        return 128 + signal.SIGINT
    if options.bless:
        _bless(corpus, hello, outcomes)
    return 0 if all_as_declared(outcomes) else 1


def _collect(runner: Runner, layout: Plan) -> tuple[Results, bool]:
    console = report.console(stderr=True)
    if not console.is_terminal:
        console.print(f"running {len(layout.jobs)} programs ({runner.hello.isolation}) …")
    columns = (
        TextColumn("reproducing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(layout.jobs), last="")

        def advance(ending: Ending) -> None:
            progress.update(task, advance=1, last=layout.places[ending.job][0])

        try:
            return collect(runner, layout, advance), False
        except Interrupted as stop:
            return stop.results, True


def _print(  # noqa: PLR0913
    outcomes: list[Outcome],
    hello: Hello,
    missing: dict[str, str],
    books: list[records.Book],
    seconds: float,
    runs: int,
) -> None:
    console = report.console()
    nearest = {
        device: records.nearest(books, hello.torch, device)
        for device in sorted({outcome.device for outcome in outcomes})
    }
    recorded = {device: book.torch for device, book in nearest.items() if book}
    console.print(report.outcome_table(outcomes))
    console.print(report.drifts(outcomes, recorded, hello))
    console.print(report.failures(outcomes))
    for device in nearest:
        if recorded.get(device) != hello.torch:
            console.print(
                f"{device}: no recorded results for torch {hello.torch}, "
                "so judged by the declarations alone"
            )
    for device, reason in missing.items():
        console.print(f"{device}: not tried ({reason})")
    versions = f"torch {hello.torch}, torchvision {hello.torchvision}, Python {hello.python}"
    console.print(report.summary(outcomes, seconds, runs), f"({versions})")


def _bless(corpus: Corpus, hello: Hello, outcomes: list[Outcome]) -> None:
    happened: dict[str, dict[str, records.Record]] = {}
    for outcome in outcomes:
        happened.setdefault(outcome.device, {})[outcome.id] = outcome.record
    for path in records.bless(corpus.root / "results", hello, happened, set(corpus.ids)):
        print(f"blessed {path}", file=sys.stderr)
    for outcome in outcomes:
        if outcome.verdict in records.UNSTABLE:
            print(f"  but not {outcome.id}: {outcome.verdict}", file=sys.stderr)


def _document(  # noqa: PLR0913
    outcomes: list[Outcome],
    hello: Hello,
    devices: list[str],
    missing: dict[str, str],
    options: argparse.Namespace,
    seconds: float,
) -> dict[str, Any]:
    state = {device: "tried" for device in devices}
    state |= {device: f"not tried: {reason}" for device, reason in missing.items()}
    environment = {**msgspec.to_builtins(hello), "devices": state, "workers": options.workers,
                   "runs_per_side": SEEDS * options.repeat, "seconds": round(seconds, 2)}  # fmt: skip
    return {"environment": environment, "outcomes": [_outcome(item) for item in outcomes]}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "kind": outcome.kind,
        "device": outcome.device,
        "verdict": outcome.verdict,
        "mismatches": [vars(wrong) for wrong in outcome.judgement.mismatches],
        "broken": outcome.record.broken,
        "fixed": outcome.record.fixed,
        "forward_ns": outcome.forward_ns,
        "drift": [
            {"where": where, "recorded": then, "here": now} for where, then, now in outcome.drift
        ],
    }
