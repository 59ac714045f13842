"""The `reproduce` command: check that every case fails as declared and every fix works."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from broken_convnets.commands.explain import index_file
from broken_convnets.commands.reproduce import report
from broken_convnets.commands.shared_options import add_devices, add_ids, add_json, add_workers
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.locations import results_to_read, results_to_write
from broken_convnets.observe.runner import open_varied_runner, runtime_of
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive, seconds
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import progress_bar
from broken_convnets.util.visible import visible
from broken_convnets.verdicts import records
from broken_convnets.verdicts.collect import (
    SEEDS,
    Outcome,
    Plan,
    Results,
    all_as_declared,
    choose_devices,
    plan,
)

if TYPE_CHECKING:
    import argparse

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.observe.facts import RuntimeInfo
    from broken_convnets.sandbox.runner import Runner


@dataclass(frozen=True)
class Session:
    """The environment and the results of one command."""

    runtime: RuntimeInfo
    isolation: str
    layout: Plan
    missing: dict[str, str]  # devices that were not used, and why
    baselines: list[records.Baseline]
    outcomes: list[Outcome]
    seconds: float
    interrupted: int  # exit code; 0 if everything was run


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--repeat",
        type=positive,
        default=1,
        metavar="N",
        help="run every program N times under three new seeds each (default 1)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="time limit of one program, in seconds (default 10)",
    )
    add_devices(parser)
    add_workers(parser)
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run the programs, print the verdicts, and return 1 if one is not as declared.

    Raises UsageError where the options, the records or the environment do not allow it.
    """
    corpus = load(options.corpus)
    session = _run(corpus, options)
    if options.json:
        print_json(_document(session, options))
    else:
        _print(session)
    if session.interrupted:
        total = len(session.layout.ids) * len(session.layout.devices)
        known = f"interrupted: {len(session.outcomes)} of {total} entries are known"
        print(known, file=sys.stderr)
        return session.interrupted
    if options.update:
        _update(corpus, session)
    return 0 if all_as_declared(session.outcomes) else 1


def _run(corpus: Corpus, options: argparse.Namespace) -> Session:
    started = time.perf_counter()
    ids = corpus.select(options.ids)
    baselines = records.read_all(results_to_read(corpus.root))
    with terminal.console(stderr=True).status("loading torch"):
        limits = Limits(seconds=options.timeout, workers=options.workers, hidden=[str(corpus.root)])
        opened = open_varied_runner(limits)
    with opened as runner:
        runtime = runtime_of(runner)
        devices, missing = choose_devices(options.device, runtime)
        layout = plan(corpus, ids, devices, options.repeat)
        results, interrupted = _collect(runner, layout)
    return Session(
        runtime=runtime,
        isolation=runner.isolation,
        layout=layout,
        missing=missing,
        baselines=baselines,
        outcomes=results.outcomes(baselines, runtime),
        seconds=time.perf_counter() - started,
        interrupted=interrupted,
    )


def _collect(runner: Runner, layout: Plan) -> tuple[Results, int]:
    """Return the results, and the exit code of an interruption or 0."""
    results = Results(layout)
    text = f"running {len(layout.jobs)} programs ({runner.isolation})"
    with progress_bar(text, len(layout.jobs)) as bar, interruptible() as interruption:
        results.collect(runner, lambda run: bar.advance(detail=layout.places[run.job][0]))
    return results, interruption.exit_code


def _print(session: Session) -> None:
    console = terminal.console()
    runtime, outcomes = session.runtime, session.outcomes
    nearest = {
        device: records.nearest(session.baselines, runtime.torch, device)
        for device in session.layout.devices
    }
    recorded = {device: baseline.torch for device, baseline in nearest.items() if baseline}
    console.print(report.outcome_table(outcomes, console.width))
    console.print(report.drifts(outcomes, recorded, runtime))
    console.print(report.failures(outcomes))
    for device in session.layout.devices:
        if recorded.get(device) != runtime.torch:
            console.print(
                f"{device}: no recorded results for torch {runtime.torch}, "
                "judged by the declarations alone"
            )
    for device, reason in session.missing.items():
        console.print(f"{device}: not used ({reason})")
    versions = f"torch {runtime.torch}, torchvision {runtime.torchvision}, Python {runtime.python}"
    line = report.summary(outcomes, session.seconds, len(session.layout.jobs))
    console.print(line, f"({versions})")


def _update(corpus: Corpus, session: Session) -> None:
    happened: dict[str, dict[str, records.Record]] = {}
    for outcome in session.outcomes:
        happened.setdefault(outcome.device, {})[outcome.id] = outcome.record
    results = results_to_write(corpus.root)
    for path in records.update(results, session.runtime, happened, set(corpus.ids)):
        print(f"updated {path}", file=sys.stderr)
    print(f"updated {index_file.write(corpus)}", file=sys.stderr)
    for outcome in session.outcomes:
        if outcome.verdict in records.UNSTABLE:
            print(f"  except {visible(outcome.id)}: {outcome.verdict}", file=sys.stderr)


def _document(session: Session, options: argparse.Namespace) -> dict[str, Any]:
    devices = dict.fromkeys(session.layout.devices, "used")
    devices |= {device: f"not used: {reason}" for device, reason in session.missing.items()}
    environment = {
        **msgspec.to_builtins(session.runtime),
        "isolation": session.isolation,
        "devices": devices,
        "workers": options.workers,
        "runs_per_side": SEEDS * options.repeat,
        "seconds": round(session.seconds, 2),
        "interrupted": bool(session.interrupted),
    }
    return {"environment": environment, "outcomes": [_outcome(item) for item in session.outcomes]}


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
