"""The `wild` command: inject mistakes into real models, verify the programs, write a corpus."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.score.executors import load_executor
from broken_convnets.commands.shared_options import add_json, add_workers
from broken_convnets.commands.variants.limits import patient_limits
from broken_convnets.commands.wild import report
from broken_convnets.commands.wild.drafts import Draws
from broken_convnets.commands.wild.faults.all_faults import faults_named
from broken_convnets.commands.wild.hosts.registry import hosts_named
from broken_convnets.commands.wild.report import Generation
from broken_convnets.commands.wild.store import CheckStore
from broken_convnets.commands.wild.verify import BATCH, CLUSTER_BATCH, Checked, generate
from broken_convnets.commands.wild.write import require_usable, write_tree
from broken_convnets.observe.runner import open_torch_runner, runtime_of, with_torch
from broken_convnets.sandbox.executor_runner import ExecutorRunner
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive
from broken_convnets.util.cache import folder
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import progress_bar

if TYPE_CHECKING:
    import argparse

    from broken_convnets.sandbox.runner import Runner


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--models",
        default="",
        metavar="NAMES",
        help="comma-separated models, or FILE.py:CLASS for your own (default: all models)",
    )
    parser.add_argument(
        "--classes",
        default="",
        metavar="IDS",
        help="comma-separated ids of the cases whose mistakes to inject (default: all supported)",
    )
    parser.add_argument(
        "--count", type=positive, default=20, metavar="N", help="programs to keep (default 20)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default 0)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write the verified programs to this folder, laid out like the corpus",
    )
    parser.add_argument(
        "--executor",
        metavar="MODULE:CALLABLE",
        help="run on the concurrent.futures executor that the callable returns",
    )
    add_workers(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Generate programs; return 0 if as many as requested are verified, otherwise 1.

    Raises UsageError for an unknown model, class or executor, or if the output folder is in use.
    """
    hosts = hosts_named(_names(options.models))
    draws = Draws(hosts, faults_named(_names(options.classes)), options.seed)
    if options.out is not None:
        require_usable(options.out)
    generation = _generate(draws, options)
    if options.out is not None:
        write_tree(options.out, generation)
    _show(generation, as_json=options.json)
    if generation.interrupted:
        print("interrupted: run the same command again to resume", file=sys.stderr)
        return generation.interrupted
    return 0 if len(generation.kept) == options.count else 1


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _generate(draws: Draws, options: argparse.Namespace) -> Generation:
    started = time.perf_counter()
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_runner_for(options)
    checked: list[Checked] = []
    text = f"generating {options.count} programs"
    with opened as runner, progress_bar(text, options.count) as bar, interruptible() as stopped:
        runtime = runtime_of(runner)
        store = CheckStore(folder("wild"), runtime)
        batch = CLUSTER_BATCH if options.executor else BATCH
        for one in generate(runner, draws, options.count, store, batch):
            checked.append(one)
            bar.advance(int(one.case is not None), detail=one.draft.id)
    return Generation(
        checked=checked,
        count=options.count,
        seed=options.seed,
        torch=runtime.torch,
        torchvision=runtime.torchvision,
        seconds=time.perf_counter() - started,
        interrupted=stopped.exit_code,
    )


def open_runner_for(options: argparse.Namespace) -> Runner:
    """Return the runner that the options ask for. Raises UsageError for an unknown executor."""
    limits = patient_limits(options.workers, hidden=[])
    if options.executor:
        return ExecutorRunner(load_executor(options.executor), with_torch(limits))
    return open_torch_runner(limits)


def _show(generation: Generation, *, as_json: bool) -> None:
    if as_json:
        print_json(report.document(generation))
        return
    console = terminal.console()
    for part in report.parts(generation):
        console.print(part)
