"""The `programs` command: write the programs for a diagnostic tool that runs elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from broken_convnets.commands.programs.export_programs import hand_out
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import load
from broken_convnets.util.argument_types import count


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--seed",
        type=count,
        default=0,
        metavar="S",
        help="of ids and order; `score` needs it again (default 0)",
    )
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Write the programs."""
    return hand_out(load(options.corpus), options)
