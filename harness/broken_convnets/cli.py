"""The command line: `broken-convnets`, or `python -m broken_convnets`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING

from broken_convnets.commands.shared_options import add_corpus
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "broken-convnets"
EXIT_USAGE = 2
DESCRIPTION = """\
Minimal broken PyTorch convolutional networks, each beside its fixed version."""
# By group: each command is a folder of `commands/` whose `command.py` has `add_options` and `run`.
COMMANDS: dict[str, dict[str, str]] = {
    "Your own program": {
        "explain": "name the mistake behind a message or a traceback",
        "trace": "run a program and show the inputs and output of each layer",
    },
    "Look up": {
        "list": "list the cases and controls",
        "show": "show everything about one case or control",
        "site": "write the corpus and its results as static pages",
    },
    "Verify": {
        "reproduce": "check that every case fails as declared and every fix works",
        "cost": "count the operators and memory of forward passes, and compare with the record",
        "bench": "compare how long forward passes take",
    },
    "Learn": {
        "learn": "fix broken programs one after another, judged as you save",
        "export": "write a case as a notebook for a class",
    },
    "Evaluate tools": {
        "score": "score a diagnostic tool on the programs of the corpus",
        "programs": "write the programs for a diagnostic tool that runs elsewhere",
        "variants": "generate verified variants of the corpus from a seed",
    },
    "Author": {
        "new": "write the skeleton of a new case",
        "lint": "check the corpus files against the case format",
        "coverage": "compare the corpus with real reports of failing networks",
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 all as declared, 1 something is not, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser(arguments)
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = int(options.run(options))
        if not sys.stdout.closed:  # a program that is traced may close it
            sys.stdout.flush()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows the options of those commands that `arguments` name.

    Importing all of them would take longer than a quick command.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=_grouped_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{PROGRAM} COMMAND [options]",
    )
    parser.add_argument(
        "--version", action="version", version=f"{PROGRAM} {metadata.version(PROGRAM)}"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", help=argparse.SUPPRESS)
    for commands in COMMANDS.values():
        for name, text in commands.items():
            added = subparsers.add_parser(name, description=f"{text[:1].upper()}{text[1:]}.")
            if name in arguments:
                module = import_module(f"broken_convnets.commands.{name}.command")
                added.set_defaults(run=module.run)
                add_corpus(added)
                module.add_options(added)
    return parser


def _grouped_help() -> str:
    width = max(len(name) for commands in COMMANDS.values() for name in commands)
    lines = []
    for group, commands in COMMANDS.items():
        lines += [f"{group}:", *(f"  {name:<{width}}  {text}" for name, text in commands.items())]
        lines.append("")
    return "\n".join([*lines, f"{PROGRAM} COMMAND --help explains a command."])


if __name__ == "__main__":
    sys.exit(main())
