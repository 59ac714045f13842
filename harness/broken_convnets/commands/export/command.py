"""The `export` command: write cases for a class, or programs for a benchmark of agents."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.export.harbor import write_harbor
from broken_convnets.commands.export.notebook import write_notebook
from broken_convnets.commands.export.parquet import write_parquet
from broken_convnets.commands.export.samples import draw_samples
from broken_convnets.commands.export.sheet import write_sheet
from broken_convnets.commands.learn.ordering import alias
from broken_convnets.commands.score.programs.hand_out import random_seed
from broken_convnets.commands.shared_options import add_ids
from broken_convnets.corpus.entries import Case, find, load
from broken_convnets.errors import CorpusError, UsageError
from broken_convnets.util.argument_types import count

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_ids(parser)
    formats = parser.add_mutually_exclusive_group(required=True)
    formats.add_argument(
        "--notebook", action="store_true", help="write cases as a Jupyter notebook"
    )
    formats.add_argument(
        "--sheet", action="store_true", help="write cases as an exercise sheet in Markdown"
    )
    formats.add_argument(
        "--harbor", type=Path, metavar="DIR", help="write tasks for Harbor to this new folder"
    )
    formats.add_argument(
        "--parquet",
        type=Path,
        metavar="DIR",
        help="write a dataset of programs and answers, as Parquet files, to this new folder",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write (default: by the name of the case)"
    )
    parser.add_argument(
        "--key", action="store_true", help="also write a copy with the answers: NAME_key"
    )
    parser.add_argument(
        "--address",
        default="",
        metavar="URL",
        help="address of the notebook on GitHub, for links to Colab and Binder",
    )
    parser.add_argument(
        "--seed",
        type=count,
        metavar="S",
        help="random seed for sides, ids and order of the programs (default: drawn, and printed)",
    )


def run(options: argparse.Namespace) -> int:
    """Write what the options name and print its path.

    Raises UsageError for an unknown id and for a path that cannot be written.
    """
    return _lesson(options) if options.notebook or options.sheet else _programs(options)


def _lesson(options: argparse.Namespace) -> int:
    if not options.ids:
        message = "--notebook and --sheet need at least one case: pass ids, see `list`"
        raise UsageError(message)
    cases = [_case(options.corpus, name) for name in options.ids]
    name = alias(cases[0]).rpartition("/")[2] if len(cases) == 1 else "lesson"
    if options.sheet:
        written = write_sheet(cases, options.out or Path(f"{name}.md"), key=options.key)
    else:
        path = options.out or Path(f"{name}.ipynb")
        written = write_notebook(cases, path, key=options.key, address=options.address)
    for path in written:
        print(path)
    return 0


def _case(corpus: Path, name: str) -> Case:
    entry = find(corpus, name)
    if isinstance(entry, Case):
        return entry
    message = f"{entry.id} is a control: only a case has something to fix"
    raise CorpusError(message)


def _programs(options: argparse.Namespace) -> int:
    corpus = load(options.corpus)
    selected = corpus.select(options.ids)
    valid = [corpus.entries[name] for name in selected if name in corpus.entries]
    seed = random_seed() if options.seed is None else options.seed
    samples = draw_samples(valid, seed)
    if options.harbor:
        write_harbor(samples, corpus.root, options.harbor)
        print(f"wrote {len(valid)} tasks to {options.harbor}, with --seed {seed}")
    else:
        write_parquet(samples, corpus.entries, seed, options.parquet)
        print(f"wrote {len(valid)} programs to {options.parquet}, with --seed {seed}")
    if skipped := len(selected) - len(valid):
        print(f"note: skipped {skipped} invalid entries, see `lint`", file=sys.stderr)
    return 0
