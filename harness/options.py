"""What each command takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from .corpus.entries import default_root
from .values import cores, count, needs, positive, seconds, share


def corpus(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    parser.add_argument("--corpus", type=Path, default=default_root(), metavar="DIR",
                        help="another tree with cases/, fixes/ and controls/")  # fmt: skip


def ids(parser: argparse.ArgumentParser) -> None:
    """Add the entries to take; none are all."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="an id, a topic, or a glob")


def listed(parser: argparse.ArgumentParser) -> None:
    """Add the one entry to take."""
    parser.add_argument("id", help="as `list` gives it")


def begun(parser: argparse.ArgumentParser) -> None:
    """Add what `new` takes."""
    parser.add_argument("id", help="<topic>/<id>; the id names the mistake, never the remedy")


def json(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a form that programs read."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def coverage(parser: argparse.ArgumentParser) -> None:
    """Add what `coverage` takes."""
    parser.add_argument("--write", action="store_true", help="bring docs/coverage.md up to date")


def site(parser: argparse.ArgumentParser) -> None:
    """Add what `site` takes."""
    parser.add_argument("--out", type=Path, default=Path("site"), metavar="DIR",
                        help="the folder, made or replaced (default: site)")  # fmt: skip


def export(parser: argparse.ArgumentParser) -> None:
    """Add what `export` takes."""
    parser.add_argument("--notebook", action="store_true", required=True, help="as Jupyter has it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: net_….ipynb, here")


def programs(parser: argparse.ArgumentParser) -> None:
    """Add what `programs` takes."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--seed", type=count, default=0, metavar="S",
                        help="of ids and order; `score` needs it again (default 0)")  # fmt: skip


def explain(parser: argparse.ArgumentParser) -> None:
    """Add what `explain` takes."""
    parser.add_argument("text", nargs="?", metavar="TEXT", help="the message (default: stdin)")
    parser.add_argument("--file", type=Path, metavar="PATH", help="a file that holds it")
    parser.add_argument(
        "--top", type=positive, default=3, metavar="N", help="cases at most (default 3)"
    )


def reproduce(parser: argparse.ArgumentParser) -> None:
    """Add what `reproduce` takes."""
    parser.add_argument("--repeat", type=positive, default=1, metavar="N",
                        help="run the three seeds N times over, new seeds each time")  # fmt: skip
    parser.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS",
                        help="time limit of one program (default 10)")  # fmt: skip


def workers(parser: argparse.ArgumentParser) -> None:
    """Add how many processes run at a time."""
    parser.add_argument("--workers", type=positive, default=cores(), metavar="N",
                        help="programs at a time (default: the cores)")  # fmt: skip


def devices(parser: argparse.ArgumentParser) -> None:
    """Add on which devices programs run, and whether what happens there is recorded."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAMES",
        help="cpu, cuda, or cpu,cuda; auto takes what is there (default)",
    )
    parser.add_argument(
        "--bless", action="store_true", help="record what happens in the corpus' results/"
    )


def trace(parser: argparse.ArgumentParser) -> None:
    """Add what `trace` takes."""
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE) [ARGUMENT ...]"
    parser.add_argument("-m", action="store_true", help="run a module, as `python -m` does")
    parser.add_argument(
        "--step",
        type=positive,
        metavar="N",
        help="show the Nth forward pass of each network instead of the last",
    )
    parser.add_argument(
        "--depth",
        type=positive,
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


def learn(parser: argparse.ArgumentParser) -> None:
    """Add what `learn` takes."""
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="DIR",
                        help="folder of your programs and progress (default: work)")  # fmt: skip
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--once", action="store_true", help="judge one program, without keys")
    modes.add_argument("--list", action="store_true", help="show which are solved")
    modes.add_argument("--report", action="store_true", help="the same for a teacher, as JSON")
    modes.add_argument("--reset", action="store_true",
                       help="put the broken program back; keeps yours beside it")  # fmt: skip
    parser.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS",
                        help="time limit of one run (default 10)")  # fmt: skip


def variants(parser: argparse.ArgumentParser) -> None:
    """Add what `variants` takes."""
    parser.add_argument("--count", type=positive, default=3, metavar="N",
                        help="variants of each entry (default 3)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S",
                        help="another seed gives other variants (default 0)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="write those that are kept, as a tree like the corpus")  # fmt: skip


def bench(parser: argparse.ArgumentParser) -> None:
    """Add what `bench` takes."""
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
        "--processes", type=positive, default=5, metavar="N", help="to pool (default 5)"
    )
    parser.add_argument(
        "--seconds", type=seconds, default=2.8, metavar="S", help="for each entry (default 2.8)"
    )
    parser.add_argument(
        "--margin",
        type=share,
        default=0.01,
        metavar="SHARE",
        help="what is still the same (default 0.01)",
    )


def score(parser: argparse.ArgumentParser) -> None:
    """Add what `score` takes."""
    parser.usage = (
        "%(prog)s (TOOL... | --exec COMMAND | --sarif FILE | --predictions FILE) [options]"
    )
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="bundled or installed tools")
    parser.add_argument(
        "--exec", metavar="COMMAND", help="an executable that speaks the protocol (docs/tools.md)"
    )
    parser.add_argument(
        "--needs",
        type=needs,
        default=["source"],
        metavar="NAMES",
        help="what it works from: source, model, run, traceback, annotations (default source)",
    )
    parser.add_argument(
        "--batch", type=positive, default=1, metavar="N", help="programs for one of its processes"
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
        "--variants", type=count, default=0, metavar="N", help="and N fresh variants of each"
    )
    parser.add_argument(
        "--seed", type=count, default=0, metavar="S", help="of ids, order and variants (default 0)"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="time limit of one process of the tool (default 60)",
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
