"""The `lint` command: check the corpus files against the case format."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from broken_convnets.commands.explain import index_file
from broken_convnets.commands.shared_options import add_json
from broken_convnets.corpus.contents import Problem
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.lint import lint, unformatted
from broken_convnets.errors import UsageError
from broken_convnets.util.json_output import print_json
from broken_convnets.verdicts.messages import repeated_messages

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print each problem; return 1 if there is one."""
    corpus = load(options.corpus)
    problems = [*lint(corpus), *repeated_messages(corpus)]
    if outdated := index_file.problem(corpus):
        problems.append(Problem("", f"results/{index_file.NAME}", outdated))
    try:
        problems += unformatted(corpus)
    except FileNotFoundError as error:
        print(f"note: {error}", file=sys.stderr)
    except RuntimeError as error:
        raise UsageError(error) from None
    if options.json:
        print_json([vars(problem) for problem in problems])
    else:
        for problem in problems:
            print(problem)
        print(f"{len(corpus.ids)} entries, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0
