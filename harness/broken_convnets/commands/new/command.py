"""The `new` command: write the skeleton of a case."""

from __future__ import annotations

import argparse

from broken_convnets.commands.new.skeleton import write_skeleton


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("id", metavar="TOPIC/ID", help="the id names the mistake, not the fix")


def run(options: argparse.Namespace) -> int:
    """Write the three files and print their paths."""
    for path in write_skeleton(options.corpus, options.id):
        print(path)
    return 0
