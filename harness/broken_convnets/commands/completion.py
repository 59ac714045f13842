"""Shell completion of commands, options, ids and tools, through argcomplete.

Activate it in bash or zsh: `eval "$(register-python-argcomplete broken-convnets)"`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import argcomplete
from argcomplete.completers import BaseCompleter, FilesCompleter

from broken_convnets.commands.registry import COMMANDS
from broken_convnets.corpus.contents import contents_of
from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

ADAPTERS = Path(__file__).parent / "score" / "adapters"


def complete(parser_for: Callable[[set[str]], argparse.ArgumentParser]) -> None:
    """Print the completions that the shell asks for, and exit.

    `parser_for` returns a parser that knows the options of the given commands.
    """
    words = set(os.environ.get("COMP_LINE", "").split())
    parser = parser_for(words & COMMANDS.keys())
    argcomplete.autocomplete(parser, default_completer=ArgumentCompleter())


class ArgumentCompleter(BaseCompleter):
    """Completes ids and tools; the values of all other arguments are files."""

    def __call__(
        self,
        *,
        prefix: str,
        action: argparse.Action,
        parser: argparse.ArgumentParser,
        parsed_args: argparse.Namespace,
    ) -> Iterable[str]:
        """Return the candidates for an argument that starts with `prefix`."""
        if action.metavar == "ID":
            return _ids(parsed_args.corpus, prefix)
        if action.metavar == "TOOL":
            return sorted(path.stem for path in ADAPTERS.glob("[!_]*.py"))
        return FilesCompleter()(prefix, action=action, parser=parser, parsed_args=parsed_args)


def _ids(corpus: Path, prefix: str) -> list[str]:
    """Return topics and ids; for a prefix also the last parts of the ids."""
    try:
        ids = contents_of(corpus).ids()
    except CorpusError:
        return []
    topics = {name.partition("/")[0] for name in ids}
    last_parts = [name.partition("/")[2] for name in ids] if prefix else []
    return [*sorted(topics), *ids, *last_parts]
