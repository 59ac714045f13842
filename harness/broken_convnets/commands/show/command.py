"""The `show` command: print everything known about one entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.bench import stored
from broken_convnets.commands.shared_options import add_id, add_json
from broken_convnets.commands.show.page import page
from broken_convnets.corpus.entries import find
from broken_convnets.corpus.locations import results_to_read
from broken_convnets.util import terminal
from broken_convnets.util.json_output import print_json
from broken_convnets.verdicts import records

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_id(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print one entry as a page, or with `--json` as an object."""
    entry = find(options.corpus, options.id)
    results = results_to_read(options.corpus)
    release, record = records.newest(results, entry.id)
    if options.json:
        print_json(
            {
                "id": entry.id,
                "kind": entry.kind,
                "spec": entry.spec,
                "programs": entry.programs(),
                "record": record,
            }
        )
    else:
        times = stored.sentence(stored.read(results, "cpu"), entry.id)
        terminal.console().print(page(entry, options.corpus, record, release, times))
    return 0
