"""The `new` command: create the files of a new case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.new.skeleton import write_skeleton

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "id", metavar="TOPIC/ID", help="id of the case; it names the mistake, not the fix"
    )


def run(options: argparse.Namespace) -> int:
    """Create the three files and print their paths."""
    for path in write_skeleton(options.corpus, options.id):
        print(path)
    return 0
