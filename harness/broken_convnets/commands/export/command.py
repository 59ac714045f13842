"""The `export` command: write a case as a notebook for a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.export.notebook import write_notebook
from broken_convnets.commands.learn.ordering import alias
from broken_convnets.commands.shared_options import add_id
from broken_convnets.corpus.entries import Case, find
from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_id(parser)
    parser.add_argument(
        "--notebook", action="store_true", required=True, help="write a Jupyter notebook"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write (default: net_….ipynb)"
    )


def run(options: argparse.Namespace) -> int:
    """Write the notebook and print its path."""
    entry = find(options.corpus, options.id)
    if not isinstance(entry, Case):
        message = f"{entry.id} is a control: only a case has something to fix"
        raise CorpusError(message)
    path = options.out or Path(f"{alias(entry).rpartition('/')[2]}.ipynb")
    write_notebook(entry, path)
    print(path)
    return 0
