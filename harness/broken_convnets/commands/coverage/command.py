"""The `coverage` command: compare the corpus with real reports of failing networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.coverage.coverage import write_or_compare
from broken_convnets.corpus.entries import load
from broken_convnets.util.visible import visible

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--write", action="store_true", help="update docs/coverage.md")


def run(options: argparse.Namespace) -> int:
    """Print each problem; return 1 if there is one."""
    problems = write_or_compare(load(options.corpus), write=options.write)
    print("\n".join([*map(visible, problems), f"{len(problems)} problems"]))
    return 1 if problems else 0
