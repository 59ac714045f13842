"""The command line: `python -m harness`, or `broken-convnets` where it is installed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import commands, options
from . import corpus as corpora
from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace], int]

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 all as declared, 1 something is not, 2 usage."""
    given = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(run: Command, text: str) -> argparse.ArgumentParser:
        name = run.__name__.strip("_")
        added: argparse.ArgumentParser = subparsers.add_parser(
            name, help=text, description=f"{text[:1].upper()}{text[1:]}."
        )
        added.set_defaults(command=run)
        added.add_argument("--corpus", type=Path, default=corpora.default_root(), metavar="DIR",
                           help="another tree with cases/, fixes/ and controls/")  # fmt: skip
        return added

    prove = add(
        commands.reproduce, "run every program here: does it fail as declared, does its fix work"
    )
    options.reproduce(prove)
    options.devices(prove)
    costs = add(
        commands.cost, "count what forward passes ask of torch, and compare with the record"
    )
    options.devices(costs)
    times = add(commands.bench, "compare how long forward passes take, in one run: is this slower?")
    options.bench(times)
    listing = add(commands.list_, "list the cases and controls")
    page = add(commands.show, "show all about one case or control")
    page.add_argument("id", help="as `list` gives it")
    explain = add(commands.explain, "name the mistake behind a message or a traceback")
    options.explain(explain)
    linter = add(commands.lint, "hold the files to the corpus contract")
    options.trace(add(commands.trace, "run a program of your own and show what each layer did"))
    coverage = add(commands.coverage, "hold the corpus against real reports of failing networks")
    coverage.add_argument("--write", action="store_true", help="bring docs/coverage.md up to date")
    site = add(commands.site, "write the corpus and its results as static pages")
    site.add_argument("--out", type=Path, default=Path("site"), metavar="DIR",
                      help="the folder, made or replaced (default: site)")  # fmt: skip
    course = add(commands.learn, "mend broken programs, one after another, judged as you save")
    options.learn(course)
    sheet = add(commands.export, "write a case as a notebook for a class")
    sheet.add_argument("id", help="as `list` gives it")
    sheet.add_argument("--notebook", action="store_true", required=True, help="as Jupyter has it")
    sheet.add_argument("--out", type=Path, metavar="FILE", help="default: net_….ipynb, here")
    scores = add(commands.score, "score a diagnostic tool on the programs of the corpus")
    options.score(scores)
    handed = add(commands.programs, "write the programs for a diagnostic tool that runs elsewhere")
    handed.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    handed.add_argument("--seed", type=options.count, default=0, metavar="S",
                        help="of ids and order; `score` needs it again (default 0)")  # fmt: skip
    vary = add(commands.variants, "make new variants of the corpus from a seed, each verified here")
    options.variants(vary)
    begin = add(commands.new, "write the skeleton of a new case")
    begin.add_argument("id", help="<topic>/<id>; the id names the mistake, never the remedy")
    for command in (prove, costs, times, listing, course, handed, vary):
        command.add_argument("ids", nargs="*", metavar="ID", help="an id, a topic, or a glob")
    with_json = (
        prove, costs, times, listing, page, linter, explain, course, site, scores, handed, vary,
    )  # fmt: skip
    for command in with_json:
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser
