"""The `score` command: ask tools about the corpus, score what they say, compare, record."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from broken_convnets.commands.score import baseline, protocol, sarif, scoreboard_page
from broken_convnets.commands.score.protocol import Need
from broken_convnets.commands.score.scoreboard import lines
from broken_convnets.commands.score.scoring import score as scored
from broken_convnets.commands.score.survey import surveyed
from broken_convnets.commands.score.tool import bundled, check_known
from broken_convnets.commands.score.tool_report import ToolRef
from broken_convnets.commands.shared_options import add_json, add_workers
from broken_convnets.corpus.entries import load
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import count, positive, seconds
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    from broken_convnets.commands.score.survey import Asked
    from broken_convnets.corpus.entries import Corpus


_NAME = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,99}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
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
    parser.add_argument("--update", action="store_true", help="record what it says there")
    parser.add_argument(
        "--fail-on-regression",
        action="store_true",
        help="exit 1 where something recorded is lost, or a recorded miss is none any more",
    )
    add_workers(parser)
    add_json(parser)


def needs(text: str) -> list[str]:
    """Return the inputs that a tool needs, from a comma-separated list."""
    names = text.split(",")
    for name in names:
        if name not in set(Need):
            message = f"{name!r} is not one of {', '.join(Need)}"
            raise argparse.ArgumentTypeError(message)
    return names


def run(options: argparse.Namespace) -> int:
    """Score the tools that the options name; return 1 where one lost something that is to fail.

    Raises UsageError where the options, a tool or the records do not allow it.
    """
    if options.schema:
        print_json(protocol.schema())
        return 0
    corpus = load(options.corpus)
    tools = [(ref, *_recorded(ref, corpus, options)) for ref in named_tools(options)]
    documents, code = [], 0
    try:
        with surveyed(corpus, options) as survey:
            for ref, path, then in tools:
                said = _Said(survey.ask(ref), then)
                documents.append(_document(said, options))
                if not options.json:
                    _show(said)
                code |= _keep(said, path, corpus, options)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        raise
    if options.json:
        shown = documents if len(documents) > 1 else documents[0]
        print_json(shown)
    return code


class _Said:
    """What a tool said, what that is worth, and what is recorded of it."""

    def __init__(self, asked: Asked, then: baseline.ToolBook | None) -> None:
        needs = asked.told.needs
        self.asked = asked
        self.then = then
        self.now = baseline.programs_said(asked.results, needs)
        self.figures = scored(
            asked.results,
            asked.baseline,
            needs=frozenset(needs),
            tool=asked.ref.name,
            version=asked.told.version,
        )
        self.lost = baseline.lost(then, self.now) if then else []
        self.gained = baseline.gained(then, self.now) if then else []
        self.stale = baseline.stale(then, self.now) if then else []


def _recorded(
    ref: ToolRef, corpus: Corpus, options: argparse.Namespace
) -> tuple[Path, baseline.ToolBook | None]:
    """Return a tool's book and what it says; raises UsageError where it is wanted and not there."""
    path = options.book or corpus.root / "results" / "tools" / f"{ref.name}.toml"
    then = baseline.read(path)
    if options.fail_on_regression and then is None:
        message = f"nothing is recorded of {ref.name}: record it first (--update)"
        raise UsageError(message)
    return path, then


def _keep(said: _Said, path: Path, corpus: Corpus, options: argparse.Namespace) -> int:
    """Write and record what the options ask for; return 1 where it is to fail."""
    if options.sarif_out:
        asked = said.asked
        sarif.write(options.sarif_out, asked.ref.name, asked.told.version, asked.results)
    if options.update:
        made = _book(said, options)
        whole = _completed(made, said.then, corpus) if options.only and said.then else made
        baseline.write(path, whole)
        print(f"updated {path}", file=sys.stderr)
        if path.parent == corpus.root / "results" / "tools":
            print(f"wrote {scoreboard_page.write(corpus)}", file=sys.stderr)
    return int(options.fail_on_regression and bool(said.lost or said.stale))


def named_tools(options: argparse.Namespace) -> list[ToolRef]:
    """Return which tools are meant; raises UsageError where that is none, or not clear."""
    file = options.sarif or options.predictions
    given = [bool(options.tools), bool(options.exec), bool(file)]
    if sum(given) != 1:
        message = "name tools, or give one of --exec, --sarif and --predictions"
        raise UsageError(message)
    if len(options.tools) > 1 and (options.book or options.sarif_out):
        message = "--book and --sarif-out are for one tool: ask them one at a time"
        raise UsageError(message)
    for name in options.tools:
        check_known(name)
    return [ToolRef(name) for name in dict.fromkeys(options.tools)] or [_own_tool(options)]


def _own_tool(options: argparse.Namespace) -> ToolRef:
    """Return the user's own tool: an executable, or a file of what one said."""
    file = options.sarif or options.predictions
    if options.name and (options.name in bundled() or not _NAME.fullmatch(options.name)):
        message = f"--name {options.name}: is that of a bundled tool, or no name for a file"
        raise UsageError(message)
    if file:
        return ToolRef(options.name or file.stem)
    try:
        parts = shlex.split(options.exec)
    except ValueError as error:
        message = f"--exec {options.exec}: {error}"
        raise UsageError(message) from None
    argv = [str(Path(part).absolute()) if Path(part).is_file() else part for part in parts]
    if not argv or shutil.which(argv[0]) is None:
        message = f"--exec {options.exec}: there is no such executable"
        raise UsageError(message)
    needs = [need for need in Need if need in options.needs]
    return ToolRef(options.name or Path(argv[-1]).stem, argv, needs, options.batch)


def _document(said: _Said, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "torch": said.asked.torch,
        "seed": options.seed,
        "variants": options.variants,
        "score": said.figures,
        "programs": said.now,
        "lost": said.lost,
        "gained": said.gained,
        "stale": said.stale,
    }


def _show(said: _Said) -> None:
    console = terminal.console()
    console.print(Text(f"{said.asked.ref.name} {_versions(said.asked)}", style="bold"))
    for line in lines(said.figures, said.asked.results):
        console.print(line)
    for change in [*said.lost, *said.gained]:
        console.print(str(change), markup=False)
    for name in said.stale:
        console.print(f"{name}: listed as a miss and is none: record it (--update)", markup=False)


def _versions(asked: Asked) -> str:
    torch = f"torch {asked.torch}"
    return torch if asked.told.version == torch else f"{asked.told.version}, {torch}".strip(", ")


def _book(said: _Said, options: argparse.Namespace) -> baseline.ToolBook:
    asked, held = said.asked, said.figures.robustness
    return baseline.ToolBook(
        tool=asked.ref.name,
        version=asked.told.version,
        needs=asked.told.needs,
        argv=[Path(part).name for part in asked.ref.argv],
        torch=asked.torch,
        misses=baseline.misses(said.now),
        programs=said.now,
        variants=baseline.OnVariants(options.variants, options.seed, held) if held else None,
    )


def _completed(
    made: baseline.ToolBook, then: baseline.ToolBook, corpus: Corpus
) -> baseline.ToolBook:
    """Return a book of some programs with what is recorded of the others that are still there.

    Raises UsageError where that is of another version, which would make one book of two tools.
    """
    if (then.version, then.torch) != (made.version, made.torch):
        message = f"recorded is {then.version} under torch {then.torch}: record all, without --only"
        raise UsageError(message)
    others = {name: sides for name, sides in then.programs.items() if name in corpus.entries}
    both = dict(sorted({**others, **made.programs}.items()))
    varied = made.variants or then.variants
    return msgspec.structs.replace(
        made, programs=both, misses=baseline.misses(both), variants=varied
    )
