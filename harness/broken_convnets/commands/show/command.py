"""The `show` command: print everything known about one entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.bench import stored
from broken_convnets.commands.shared_options import add_id, add_json
from broken_convnets.commands.show.page import guide_page, page
from broken_convnets.corpus.guides import Guide, find_with_guides
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
    """Print one entry or guide as a page, or with `--json` as an object."""
    entry = find_with_guides(options.corpus, options.id)
    if isinstance(entry, Guide):
        _show_guide(entry, as_json=options.json)
        return 0
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


def _show_guide(guide: Guide, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": guide.id, "kind": guide.kind, "spec": guide.spec})
    else:
        terminal.console().print(guide_page(guide))
