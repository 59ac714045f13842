"""The `score` command: run diagnostic tools on the corpus, score them, compare with the record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from broken_convnets.commands.score.evaluation import Evaluation
from broken_convnets.commands.score.leaderboard import write_leaderboard
from broken_convnets.commands.score.programs.hand_out import Sides
from broken_convnets.commands.score.protocol.messages import Need, json_schema
from broken_convnets.commands.score.record import read_record, record_path, write_record
from broken_convnets.commands.score.report import report_lines
from broken_convnets.commands.score.run import open_run
from broken_convnets.commands.score.sarif.writing import write_sarif
from broken_convnets.commands.score.select_tools import selected_tools
from broken_convnets.commands.shared_options import add_json, add_workers
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.locations import results_to_read, results_to_write
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import count, positive, seconds
from broken_convnets.util.json_output import print_json
from broken_convnets.util.locks import locked

if TYPE_CHECKING:
    from broken_convnets.commands.score.record import ToolRecord
    from broken_convnets.commands.score.run import ToolOutcome
    from broken_convnets.commands.score.tool_jobs import ToolRef
    from broken_convnets.corpus.entries import Corpus


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = (
        "%(prog)s (TOOL... | --exec COMMAND | --sarif FILE | --predictions FILE) [options]"
    )
    _add_tool_options(parser)
    _add_program_options(parser)
    _add_output_options(parser)
    add_workers(parser)
    add_json(parser)


def _add_tool_options(parser: argparse.ArgumentParser) -> None:
    tools = parser.add_argument_group("the tool")
    tools.add_argument(
        "tools", nargs="*", metavar="TOOL", help="names of bundled or installed tools"
    )
    tools.add_argument(
        "--exec",
        metavar="COMMAND",
        help="run an executable that implements the protocol in docs/tools.md",
    )
    tools.add_argument(
        "--needs",
        type=needs,
        default=["source"],
        metavar="NAMES",
        help="inputs that the executable needs: a comma-separated list of source, model, run, "
        "traceback, annotations (default: source)",
    )
    tools.add_argument(
        "--batch",
        type=positive,
        default=1,
        metavar="N",
        help="programs per process of the executable (default: 1)",
    )
    tools.add_argument(
        "--sarif", type=Path, metavar="FILE", help="score the answers in a SARIF 2.1.0 log"
    )
    tools.add_argument(
        "--kinds", type=Path, metavar="FILE", help="TOML file: the kind of each rule of the log"
    )
    tools.add_argument(
        "--predictions", type=Path, metavar="FILE", help="score the answers in a JSON lines file"
    )
    tools.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="key of the programs that the file has answers about; `programs` writes it",
    )
    tools.add_argument("--name", metavar="NAME", help="name of a tool that is not bundled")
    tools.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="time limit per process of the tool (default: 60)",
    )
    tools.add_argument(
        "--executor",
        metavar="MODULE:CALLABLE",
        help="run on the concurrent.futures executor that the callable returns",
    )


def _add_program_options(parser: argparse.ArgumentParser) -> None:
    programs = parser.add_argument_group("the programs")
    programs.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ID",
        help="score an id, a topic or a glob only; may be repeated",
    )
    programs.add_argument(
        "--variants",
        type=count,
        default=0,
        metavar="N",
        help="also score N generated variants of each program (default: 0)",
    )
    programs.add_argument(
        "--seed",
        type=count,
        metavar="S",
        help="random seed for the sides, the order and the variants (default: drawn for each run)",
    )
    programs.add_argument(
        "--both-sides",
        action="store_true",
        help="score both programs of each pair (default: one, drawn at random)",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("the output")
    output.add_argument(
        "--recorded",
        type=Path,
        metavar="FILE",
        help="file with the recorded answers (default: results/tools/NAME.toml of the corpus)",
    )
    output.add_argument("--update", action="store_true", help="update the recorded answers")
    output.add_argument(
        "--fail-on-regression",
        action="store_true",
        help="exit 1 on any regression from the record, or if a recorded miss is now found",
    )
    output.add_argument(
        "--sarif-out", type=Path, metavar="FILE", help="write the answers as a SARIF log"
    )
    output.add_argument(
        "--schema", action="store_true", help="print the protocol as JSON Schema and exit"
    )


def needs(text: str) -> list[str]:
    """Return the inputs in a comma-separated list. Raises ArgumentTypeError for an unknown one."""
    names = text.split(",")
    for name in names:
        if name not in set(Need):
            message = f"{name!r} is not one of {', '.join(Need)}"
            raise argparse.ArgumentTypeError(message)
    return names


def run(options: argparse.Namespace) -> int:
    """Score the tools that the options name; return 1 for a regression that should fail.

    Raises UsageError for contradictory options, an unknown tool, or an invalid record.
    """
    if options.schema:
        print_json(json_schema())
        return 0
    corpus = load(options.corpus)
    tools = [(ref, _previous_record(ref, corpus, options)) for ref in selected_tools(options)]
    documents, code = [], 0
    try:
        with open_run(corpus, options) as tool_run:
            for ref, previous in tools:
                if previous:
                    path = _record_file(ref, corpus, options)
                    tool_run.require_same_selection(path, previous)
                evaluation = Evaluation(tool_run.evaluate(ref), previous)
                documents.append(evaluation.document())
                if not options.json:
                    _show(evaluation)
                _write(evaluation, corpus, options)
                code |= int(options.fail_on_regression and evaluation.regressed)
    except KeyboardInterrupt:
        print("interrupted: run the same command again to resume", file=sys.stderr)
        raise
    if options.json:
        print_json(documents if len(documents) > 1 else documents[0])
    return code


def _previous_record(
    ref: ToolRef, corpus: Corpus, options: argparse.Namespace
) -> ToolRecord | None:
    """Return a tool's record. Raises UsageError if it is missing but required."""
    path = _record_file(ref, corpus, options)
    replaced = options.update and not options.only and not options.fail_on_regression
    previous = read_record(path)
    if previous and replaced and (previous.only or previous.sides is Sides.ONE):
        return None
    if options.fail_on_regression and previous is None:
        message = f"no record of {ref.name} at {path}: write it first with --update"
        raise UsageError(message)
    return previous


def _record_file(ref: ToolRef, corpus: Corpus, options: argparse.Namespace) -> Path:
    path: Path = options.recorded or record_path(results_to_read(corpus.root), ref.name)
    return path


def _write(evaluation: Evaluation, corpus: Corpus, options: argparse.Namespace) -> None:
    """Write the files that the options ask for. Raises UsageError or OSError if it cannot."""
    outcome = evaluation.outcome
    if options.sarif_out:
        version = outcome.description.version
        write_sarif(options.sarif_out, outcome.ref.name, version, outcome.results)
    if not options.update:
        return
    path = options.recorded or record_path(results_to_write(corpus.root), outcome.ref.name)
    with locked(path.parent):
        now = Evaluation(outcome, read_record(path))  # another run may have written it meanwhile
        write_record(path, now.record(corpus, options))
        print(f"updated {path}", file=sys.stderr)
        if not options.recorded:
            print(f"updated {write_leaderboard(corpus, path.parent)}", file=sys.stderr)


def _show(evaluation: Evaluation) -> None:
    console = terminal.console()
    outcome = evaluation.outcome
    console.print(Text(f"{outcome.ref.name} {_versions(outcome)}", style="bold"))
    for line in report_lines(evaluation.score, outcome.results):
        console.print(line)
    for change in [*evaluation.lost, *evaluation.gained]:
        console.print(str(change), markup=False)
    for name in evaluation.outdated:
        text = f"{name}: is no longer a miss; update the record with --update"
        console.print(text, markup=False)


def _versions(outcome: ToolOutcome) -> str:
    torch, version = f"torch {outcome.torch}", outcome.description.version
    return torch if version == torch else f"{version}, {torch}".strip(", ")
