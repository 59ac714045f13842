"""One `variants` command from start to end: draw, verify, write, report, exit code."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from broken_convnets.commands.shared_options import add_ids, add_json, add_workers
from broken_convnets.commands.variants.declaring import DEVICE
from broken_convnets.commands.variants.make import TRANSFORMATIONS
from broken_convnets.commands.variants.store import Store
from broken_convnets.commands.variants.verify import Checked, drawn
from broken_convnets.commands.variants.write import write_all
from broken_convnets.corpus.entries import Case, Corpus, Entry, load
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import open_torch_runner, runtime_of
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive
from broken_convnets.util.cache import folder
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import print_json
from broken_convnets.util.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType


@dataclass(frozen=True)
class Drawing:
    """What one command drew."""

    entries: list[Entry]
    checked: list[Checked]
    torch: str
    seconds: float
    interrupted: int  # exit code; 0 where all was drawn


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--count", type=positive, default=3, metavar="N", help="variants of each entry (default 3)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="another seed gives other variants (default 0)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write those that are kept, as a tree like the corpus",
    )
    add_workers(parser)
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Draw what the options ask for; return 0 where every entry has as many as were asked for.

    Raises UsageError where an entry cannot be varied, or the output folder is in use.
    """
    corpus = load(options.corpus)
    entries = _entries(corpus, options.ids)
    out = options.out
    if out is not None and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = f"--out {out} is not an empty folder: name a new one, or clear it"
        raise UsageError(message)
    drawing = _draw(entries, options)
    kept = [checked for checked in drawing.checked if checked.kept]
    if out is not None:
        write_all(out, kept)
    if options.json:
        print_json(_document(drawing, options))
    else:
        console = terminal.console()
        for part in _parts(drawing, options):
            console.print(part)
    if drawing.interrupted:
        print(f"interrupted: {len(drawing.checked)} variants are known", file=sys.stderr)
        return drawing.interrupted
    return 1 if _short(drawing, options.count) else 0


def _entries(corpus: Corpus, patterns: list[str]) -> list[Entry]:
    ids = corpus.select(patterns)
    for problem in corpus.problems:
        if problem.id in ids:
            print(f"note: left out, {problem}", file=sys.stderr)
    found = [corpus.entries[name] for name in ids if name in corpus.entries]
    if not found:
        message = "none of these entries can be read: see `broken-convnets lint`"
        raise UsageError(message)
    return found


def _draw(entries: list[Entry], options: argparse.Namespace) -> Drawing:
    started = time.perf_counter()
    with terminal.console(stderr=True).status("loading torch"):
        opened = open_torch_runner(Limits(workers=options.workers))
    checked: list[Checked] = []
    wanted = len(entries) * options.count
    text = f"generating {wanted} variants"
    with opened as runner, progress_bar(text, wanted) as bar, interruptible() as interruption:
        store = Store(folder("variants"), runtime_of(runner), DEVICE)
        for each in drawn(runner, entries, options.count, options.seed, store):
            checked.append(each)
            bar.advance(int(each.kept), detail=each.variant.key)
    release = runtime_of(runner).torch
    seconds = time.perf_counter() - started
    return Drawing(entries, checked, release, seconds, interruption.exit_code)


def _short(drawing: Drawing, count: int) -> list[str]:
    """Return the entries that have fewer variants than were asked for."""
    kept = Counter(each.variant.id for each in drawing.checked if each.kept)
    return [entry.id for entry in drawing.entries if kept[entry.id] < count]


def _yields(drawing: Drawing) -> dict[str, tuple[int, int]]:
    """Return for each transformation how many variants have it, and how many of these are kept."""
    found = _counted(
        (name, each.kept) for each in drawing.checked for name in each.variant.transformations
    )
    return {name: found[name] for name in TRANSFORMATIONS if name in found}


def _by_entry(drawing: Drawing) -> dict[str, tuple[int, int]]:
    """Return for each entry how many variants were made, and how many of these are kept."""
    return _counted((each.variant.id, each.kept) for each in drawing.checked)


def _counted(found: Iterable[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for name, good in found:
        tried, kept = counts.get(name, (0, 0))
        counts[name] = (tried + 1, kept + good)
    return dict(sorted(counts.items()))


def _table(first: str, rows: dict[str, tuple[int, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in ("variants", "kept", "yield"):
        table.add_column(name, justify="right")
    for name, (tried, kept) in rows.items():
        table.add_row(name, str(tried), str(kept), f"{kept / tried:.0%}")
    return table


def _parts(drawing: Drawing, options: argparse.Namespace) -> list[RenderableType]:
    parts: list[RenderableType] = [_table("transformation", _yields(drawing))]
    poor = {name: row for name, row in _by_entry(drawing).items() if row[1] < row[0]}
    if poor:
        parts += ["", _table("entry with discarded variants", poor)]
    discarded = [each for each in drawing.checked if not each.kept]
    if discarded:
        lines = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
        lines.add_column("discarded", no_wrap=True)
        lines.add_column("reason")
        for each in discarded:
            lines.add_row(each.variant.key, each.reason)
        parts += ["", lines]
    parts += [f"{name}: fewer than {options.count}" for name in _short(drawing, options.count)]
    reasons = Counter(each.reason.partition(":")[0] for each in discarded)
    tried = len(drawing.checked)
    kept = tried - len(discarded)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    share = f" ({kept / tried:.1%})" if tried else ""
    line = f"\n{kept} of {tried} variants kept{share}, seed {options.seed}"
    line += f"; discarded: {told}" if told else ""
    return [*parts, f"{line}; {drawing.seconds:.1f} s, torch {drawing.torch}"]


def _document(drawing: Drawing, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "seed": options.seed,
        "count": options.count,
        "torch": drawing.torch,
        "seconds": round(drawing.seconds, 2),
        "interrupted": bool(drawing.interrupted),
        "transformations": {
            name: {"variants": tried, "kept": kept}
            for name, (tried, kept) in _yields(drawing).items()
        },
        "entries": {
            name: {"variants": tried, "kept": kept}
            for name, (tried, kept) in _by_entry(drawing).items()
        },
        "too_few": _short(drawing, options.count),
        "variants": [told(each) for each in drawing.checked],
    }


def told(each: Checked) -> dict[str, Any]:
    """Return what is known of a variant, without its programs."""
    kind = "pair" if isinstance(each.variant.entry, Case) else "control"
    return {
        "id": each.variant.id,
        "number": each.variant.number,
        "seed": each.variant.seed,
        "kind": kind,
        "transformations": list(each.variant.transformations),
        "kept": each.kept,
        "reason": each.reason,
        "expression": each.expression,
        "layer": each.layer,
    }
