"""The `variants` command: generate variants, verify them, write and report them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.shared_options import add_ids, add_json, add_workers
from broken_convnets.commands.variants import report
from broken_convnets.commands.variants.declaring import DEVICE
from broken_convnets.commands.variants.limits import patient_limits
from broken_convnets.commands.variants.report import Generation
from broken_convnets.commands.variants.store import VerificationCache
from broken_convnets.commands.variants.verify import CheckedVariant, generate
from broken_convnets.commands.variants.write import write_all
from broken_convnets.corpus.entries import Corpus, Entry, load
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import open_torch_runner, runtime_of
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive
from broken_convnets.util.cache import folder
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import progress_bar

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--count", type=positive, default=3, metavar="N", help="variants of each entry (default 3)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default 0)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write the verified variants to this folder, laid out like the corpus",
    )
    add_workers(parser)
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Generate variants; return 0 if every entry has as many verified ones as requested.

    Raises UsageError if no entry can be read, or if the output folder is not empty.
    """
    corpus = load(options.corpus)
    entries = _entries(corpus, options.ids)
    out = options.out
    if out is not None and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = f"--out {out} is not an empty folder: name a new folder, or empty this one"
        raise UsageError(message)
    generation = _generate(entries, options)
    if out is not None:
        write_all(out, [checked for checked in generation.checked if checked.verified])
    if options.json:
        print_json(report.document(generation))
    else:
        console = terminal.console()
        for part in report.parts(generation):
            console.print(part)
    if generation.interrupted:
        print(f"interrupted after {len(generation.checked)} variants", file=sys.stderr)
        return generation.interrupted
    return 1 if report.incomplete(generation) else 0


def _entries(corpus: Corpus, patterns: list[str]) -> list[Entry]:
    ids = corpus.select(patterns)
    for problem in corpus.problems:
        if problem.id in ids:
            print(f"note: skipped {problem}", file=sys.stderr)
    found = [corpus.entries[name] for name in ids if name in corpus.entries]
    if not found:
        message = "none of these entries can be read: run `broken-convnets lint`"
        raise UsageError(message)
    return found


def _generate(entries: list[Entry], options: argparse.Namespace) -> Generation:
    started = time.perf_counter()
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_torch_runner(patient_limits(options.workers, [str(options.corpus)]))
    checked: list[CheckedVariant] = []
    wanted = len(entries) * options.count
    text = f"generating {wanted} variants"
    with opened as runner, progress_bar(text, wanted) as bar, interruptible() as interruption:
        runtime = runtime_of(runner)
        cache = VerificationCache(folder("variants"), runtime, DEVICE)
        for each in generate(runner, entries, options.count, options.seed, cache):
            checked.append(each)
            bar.advance(int(each.verified), detail=each.variant.key)
    return Generation(
        entries=entries,
        count=options.count,
        seed=options.seed,
        checked=checked,
        torch=runtime.torch,
        seconds=time.perf_counter() - started,
        interrupted=interruption.exit_code,
    )
