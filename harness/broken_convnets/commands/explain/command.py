"""The `explain` command: name the mistake behind a message or a traceback."""

from __future__ import annotations

import sys
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.explain import answer, index_file, matching
from broken_convnets.commands.explain.pasted import tail
from broken_convnets.commands.explain.reading import read
from broken_convnets.commands.explain.symptoms import answer as symptom_answer
from broken_convnets.commands.explain.symptoms.lookup import look_up
from broken_convnets.commands.shared_options import add_json
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import positive
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse

    from broken_convnets.commands.explain.symptoms.documents import Document
    from broken_convnets.commands.explain.symptoms.lookup import SymptomAnswer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="message, traceback or symptom (default: stdin)"
    )
    parser.add_argument("--file", type=Path, metavar="PATH", help="read the text from a file")
    parser.add_argument(
        "--top", type=positive, default=3, metavar="N", help="number of cases (default 3)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the cases that are similar to a text, or what helps with the symptom in it.

    Return 1 if there is neither.
    """
    text = _pasted(options)
    matches = matching.explain(text, top=options.top, corpus=options.corpus)
    other = None if matches else _without_message(text, options.corpus)
    if options.json:
        print_json({"matches": matches, "other": other})
    elif other:
        terminal.print_pieces(partial(symptom_answer.pieces, other, options.top))
    else:
        terminal.print_pieces(partial(answer.answer, matches, options.corpus))
    return 0 if matches or other else 1


def _without_message(text: str, root: Path) -> SymptomAnswer | Document | None:
    """Return what helps with a text that names no exception; None if nothing does."""
    if any(candidate.raises for candidate in read(text).candidates):
        return None
    return look_up(text, root, index_file.read(root).cases)


def _pasted(options: argparse.Namespace) -> str:
    """Return the text to explain, from wherever it was given; raise UsageError for none."""
    if options.file and options.text is not None:
        message = "give the text or --file, not both"
        raise UsageError(message)
    try:
        if options.file:
            with options.file.open("rb") as stream:
                text = tail(stream)
        elif options.text is None and sys.stdin.isatty():
            print("Paste the message or the traceback, then press Ctrl-D:", file=sys.stderr)
            text = tail(FileIO(sys.stdin.fileno(), closefd=False))
        elif options.text is None:
            text = tail(sys.stdin.buffer)
        else:
            text = options.text
    except OSError as error:
        message = f"{options.file or 'stdin'} cannot be read: {error.strerror or error}"
        raise UsageError(message) from None
    if not text.strip():
        message = "there is nothing to explain: give the message, or pipe the traceback in"
        raise UsageError(message)
    return text
