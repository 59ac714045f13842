"""The `programs` command: write the programs of the corpus for a tool that runs elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.programs.export_programs import REQUESTS, export_programs
from broken_convnets.commands.score.programs.program import corpus_programs
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import load
from broken_convnets.util.argument_types import count
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write to this new or empty folder"
    )
    parser.add_argument(
        "--seed",
        type=count,
        default=0,
        metavar="S",
        help="random seed for ids and order; pass the same one to `score` (default: 0)",
    )
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Write the programs and print how to score a tool's answers.

    Raises UsageError for an unknown id and for a folder that cannot be written.
    """
    corpus = load(options.corpus)
    selected = corpus.select(options.ids)
    valid = [name for name in selected if name in corpus.entries]
    programs = corpus_programs([(0, corpus.entries[name]) for name in valid], options.seed)
    export_programs(programs, options.out)
    if options.json:
        print_json(
            {
                "folder": str(options.out),
                "requests": str(options.out / REQUESTS),
                "seed": options.seed,
                "ids": [program.id for program in programs],
            }
        )
    else:
        print(f"wrote {len(programs)} programs to {options.out}")
        print(
            f"score the answers of a tool: broken-convnets score --seed {options.seed} --sarif FILE"
        )
        print("or, for JSON lines: --predictions FILE")
    if len(valid) < len(selected):
        skipped = len(selected) - len(valid)
        print(
            f"note: skipped {skipped} invalid entries, see `broken-convnets lint`", file=sys.stderr
        )
    return 0
