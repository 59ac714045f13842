"""The `list` command: list the cases and controls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.list.listing import listing
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import Corpus, load
from broken_convnets.util import terminal
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print a row, or with `--json` an object, for each entry."""
    corpus = load(options.corpus)
    ids = corpus.select(options.ids)
    if options.json:
        print_json([_summary(corpus, name) for name in ids])
    else:
        terminal.print_pieces(partial(listing, corpus, ids))
    return 0


def _summary(corpus: Corpus, name: str) -> dict[str, object]:
    entry = corpus.entries.get(name)
    if entry is None:
        return {"id": name, "kind": "invalid"}
    return {"id": name, "kind": entry.kind, "title": entry.spec.title, "level": entry.spec.level}
