"""The `site` command: write the corpus and its results as static pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.shared_options import add_json
from broken_convnets.commands.site.build import build
from broken_convnets.corpus.entries import load
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("site"),
        metavar="DIR",
        help="folder to create or replace (default: site)",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Write the pages and print the path of the front page."""
    corpus = load(options.corpus)
    for problem in corpus.problems:
        print(f"note: skipped {problem}", file=sys.stderr)
    built = build(corpus, options.out)
    if options.json:
        print_json(built)
    else:
        print(f"{built.front}: {built.pages} pages in {built.seconds:.1f} s")
    return 0
