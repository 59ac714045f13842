"""The command line: `python -m harness`, or `broken-convnets` where it is installed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import commands
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
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = int(options.command(options))
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
    _add_reproduce_options(prove)
    _add_device_options(prove)
    costs = add(
        commands.cost, "count what forward passes ask of torch, and compare with the record"
    )
    _add_device_options(costs)
    times = add(commands.bench, "compare how long forward passes take, in one run: is this slower?")
    _add_bench_options(times)
    listing = add(commands.list_, "list the cases and controls")
    page = add(commands.show, "show all about one case or control")
    page.add_argument("id", help="as `list` gives it")
    explain = add(commands.explain, "name the mistake behind a message or a traceback")
    _add_explain_options(explain)
    linter = add(commands.lint, "hold the files to the corpus contract")
    _add_trace_options(
        add(commands.trace, "run a program of your own and show what each layer did")
    )
    coverage = add(commands.coverage, "hold the corpus against real reports of failing networks")
    coverage.add_argument("--write", action="store_true", help="bring docs/coverage.md up to date")
    site = add(commands.site, "write the corpus and its results as static pages")
    site.add_argument("--out", type=Path, default=Path("site"), metavar="DIR",
                      help="the folder, made or replaced (default: site)")  # fmt: skip
    course = add(commands.learn, "mend broken programs, one after another, judged as you save")
    _add_learn_options(course)
    sheet = add(commands.export, "write a case as a notebook for a class")
    sheet.add_argument("id", help="as `list` gives it")
    sheet.add_argument("--notebook", action="store_true", required=True, help="as Jupyter has it")
    sheet.add_argument("--out", type=Path, metavar="FILE", help="default: net_….ipynb, here")
    scores = add(commands.score, "score a diagnostic tool on the programs of the corpus")
    _add_score_options(scores)
    handed = add(commands.programs, "write the programs for a diagnostic tool that runs elsewhere")
    handed.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    handed.add_argument("--seed", type=_count, default=0, metavar="S",
                        help="of ids and order; `score` needs it again (default 0)")  # fmt: skip
    vary = add(commands.variants, "make new variants of the corpus from a seed, each verified here")
    _add_variants_options(vary)
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


def _add_explain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", metavar="TEXT", help="the message (default: stdin)")
    parser.add_argument("--file", type=Path, metavar="PATH", help="a file that holds it")
    parser.add_argument(
        "--top", type=_positive, default=3, metavar="N", help="cases at most (default 3)"
    )


def _add_reproduce_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repeat",
        type=_positive,
        default=1,
        metavar="N",
        help="run the three seeds N times over, new seeds each time",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="time limit of one program (default 10)",
    )


def _add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that runs programs takes."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAMES",
        help="cpu, cuda, or cpu,cuda; auto takes what is there (default)",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=_cores(),
        metavar="N",
        help="programs at a time (default: the cores)",
    )
    parser.add_argument(
        "--bless", action="store_true", help="record what happens in the corpus' results/"
    )


def _add_trace_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE) [ARGUMENT ...]"
    parser.add_argument("-m", action="store_true", help="run a module, as `python -m` does")
    parser.add_argument(
        "--step",
        type=_positive,
        metavar="N",
        help="show the Nth forward pass of each network instead of the last",
    )
    parser.add_argument(
        "--depth",
        type=_positive,
        metavar="N",
        help="fold what is more than N calls inside (default: what fits)",
    )
    parser.add_argument("--all", action="store_true", help="show every call, folding nothing")
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON document on stdout; what the program prints goes to stderr",
    )
    parser.add_argument("program", help="what to run: a file, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what comes after is its own")


def _add_learn_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="DIR",
                        help="folder of your programs and progress (default: work)")  # fmt: skip
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--once", action="store_true", help="judge one program, without keys")
    modes.add_argument("--list", action="store_true", help="show which are solved")
    modes.add_argument("--report", action="store_true", help="the same for a teacher, as JSON")
    modes.add_argument("--reset", action="store_true",
                       help="put the broken program back; keeps yours beside it")  # fmt: skip
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS",
                        help="time limit of one run (default 10)")  # fmt: skip


def _add_variants_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=_positive, default=3, metavar="N",
                        help="variants of each entry (default 3)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S",
                        help="another seed gives other variants (default 0)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="write those that are kept, as a tree like the corpus")  # fmt: skip
    parser.add_argument("--workers", type=_positive, default=_cores(), metavar="N",
                        help="programs at a time (default: the cores)")  # fmt: skip


def _add_bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", metavar="REV", help="another git commit of the corpus")
    parser.add_argument(
        "--against-python", metavar="PATH", help="another interpreter, and thus another torch"
    )
    parser.add_argument(
        "--broken", action="store_true", help="each case against its fix, or until it fails"
    )
    parser.add_argument(
        "--save", action="store_true", help="with --broken: keep it in results/timing/ for `show`"
    )
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions under valgrind instead"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--size",
        default="small",
        choices=("small", "batch", "image"),
        help="the program's own inputs, a batch of 32, or 224x224 pixels",
    )
    parser.add_argument(
        "--processes", type=_positive, default=5, metavar="N", help="to pool (default 5)"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=3.0, metavar="S", help="for each entry (default 3)"
    )
    parser.add_argument(
        "--margin",
        type=_margin,
        default=0.01,
        metavar="SHARE",
        help="what is still the same (default 0.01)",
    )


def _add_score_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s (TOOL | --exec COMMAND | --sarif FILE | --predictions FILE) [options]"
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="a bundled or an installed tool")
    parser.add_argument(
        "--exec", metavar="COMMAND", help="an executable that speaks the protocol (docs/tools.md)"
    )
    parser.add_argument(
        "--needs",
        type=_needs,
        default=["source"],
        metavar="NAMES",
        help="what it works from: source, model, run, traceback, annotations (default source)",
    )
    parser.add_argument(
        "--batch", type=_positive, default=1, metavar="N", help="programs for one of its processes"
    )
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="what it said, as SARIF 2.1.0")
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE", help="what it said, as JSON lines"
    )
    parser.add_argument("--name", metavar="NAME", help="what to call a tool that is not bundled")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ID", help="an id, a topic, or a glob"
    )
    parser.add_argument(
        "--variants", type=_count, default=0, metavar="N", help="and N fresh variants of each"
    )
    parser.add_argument(
        "--seed", type=_count, default=0, metavar="S", help="of ids, order and variants (default 0)"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="time limit of one process of the tool (default 60)",
    )
    parser.add_argument(
        "--workers", type=_positive, default=_cores(), metavar="N", help="processes at a time"
    )
    parser.add_argument(
        "--executor", metavar="MODULE:CALLABLE", help="run on a concurrent.futures executor"
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the protocol as JSON Schema, and end"
    )
    parser.add_argument("--sarif-out", type=Path, metavar="FILE", help="write what it says there")
    parser.add_argument(
        "--book",
        type=Path,
        metavar="FILE",
        help="what is recorded of the tool (default: results/tools/NAME.toml of the corpus)",
    )
    parser.add_argument("--bless", action="store_true", help="record what it says there")
    parser.add_argument(
        "--fail-on-regression",
        action="store_true",
        help="exit 1 where something recorded is lost, or a recorded miss is none any more",
    )


def _needs(text: str) -> list[str]:
    from .tools.protocol import Need  # noqa: PLC0415  (only where it is asked for)

    names = text.split(",")
    for name in names:
        if name not in set(Need):
            message = f"{name!r} is none of {', '.join(Need)}"
            raise argparse.ArgumentTypeError(message)
    return names


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        message = f"{number} is negative"
        raise argparse.ArgumentTypeError(message)
    return number


def _margin(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        message = f"{number:g} is no share between 0 and 1"
        raise argparse.ArgumentTypeError(message)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        message = f"{number:g} is no time limit"
        raise argparse.ArgumentTypeError(message)
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = f"{number} is not positive"
        raise argparse.ArgumentTypeError(message)
    return number


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
