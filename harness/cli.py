"""The command line: `python -m harness`, or `broken-convnets` where it is installed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from . import commands, options
from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace], int]
    Adder = Callable[[argparse.ArgumentParser], None]

EXIT_USAGE = 2
DESCRIPTION = """\
Minimal broken PyTorch convolutional networks, each beside its fixed version.
The harness proves on this machine that each one fails as declared and that each
fix really works."""
EXAMPLES = """\
examples:
  python -m harness list                        what there is
  python -m harness show none/missing_return    one case: message, diff, why, how to find it
  python -m harness explain < traceback.txt     your own network failed: which mistake is it
  python -m harness reproduce                   prove the whole corpus, here and now
  python -m harness reproduce none --repeat 5   one topic, five times over
  python -m harness site                        the corpus as pages, in site/
  python -m harness learn none                  mend broken programs, judged as you save
  python -m harness cost                        does a forward pass do more than recorded?
  python -m harness bench --against main        is one slower than at another commit?
  python -m harness new shape/my_mistake        begin a case of your own
  python -m harness score --exec "my-linter"    what does a diagnostic tool see
  python -m harness trace train.py --epochs 1   run your own program: what did each layer give
"""
COMMANDS: list[tuple[Command, str, tuple[Adder, ...]]] = [
    (commands.reproduce, "run every program here: does it fail as declared, does its fix work",
     (options.reproduce, options.devices, options.workers, options.ids, options.json)),
    (commands.cost, "count what forward passes ask of torch, and compare with the record",
     (options.devices, options.workers, options.ids, options.json)),
    (commands.bench, "compare how long forward passes take, in one run: is this slower?",
     (options.bench, options.ids, options.json)),
    (commands.list_, "list the cases and controls", (options.ids, options.json)),
    (commands.show, "show all about one case or control", (options.listed, options.json)),
    (commands.explain, "name the mistake behind a message or a traceback",
     (options.explain, options.json)),
    (commands.lint, "hold the files to the corpus contract", (options.json,)),
    (commands.trace, "run a program of your own and show what each layer did", (options.trace,)),
    (commands.coverage, "hold the corpus against real reports of failing networks",
     (options.coverage,)),
    (commands.site, "write the corpus and its results as static pages",
     (options.site, options.json)),
    (commands.learn, "mend broken programs, one after another, judged as you save",
     (options.learn, options.ids, options.json)),
    (commands.export, "write a case as a notebook for a class",
     (options.listed, options.export)),
    (commands.score, "score a diagnostic tool on the programs of the corpus",
     (options.score, options.workers, options.json)),
    (commands.programs, "write the programs for a diagnostic tool that runs elsewhere",
     (options.programs, options.ids, options.json)),
    (commands.variants, "make new variants of the corpus from a seed, each verified here",
     (options.variants, options.workers, options.ids, options.json)),
    (commands.new, "write the skeleton of a new case", (options.begun,)),
]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 all as declared, 1 something is not, 2 usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = _parser(arguments).parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = int(given.command(given))
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

    All of them would take as long to make as the answer of a quick command.
    """
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for run, text, adders in COMMANDS:
        name = run.__name__.strip("_")
        added = subparsers.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
        if name not in arguments:
            continue
        added.set_defaults(command=run)
        for add in (options.corpus, *adders):
            add(added)
    return parser
