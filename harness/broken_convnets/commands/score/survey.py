"""Ask tools about all that the options name: the corpus, variants, or what a file answers."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.score import baseline, predictions, sarif
from broken_convnets.commands.score.checkpoint import Unfinished
from broken_convnets.commands.score.executors import Spread, named
from broken_convnets.commands.score.programs import Side, is_here, programs
from broken_convnets.commands.score.protocol import Need
from broken_convnets.commands.score.repair import repaired
from broken_convnets.commands.score.requests import Asking, describe, masked
from broken_convnets.commands.score.result import Result
from broken_convnets.commands.score.scoreboard_page import BASELINE
from broken_convnets.commands.score.tool_report import ToolRef, ToolReport
from broken_convnets.corpus.entries import Case
from broken_convnets.observe.runner import open_torch_runner, runtime_of
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.code_hash import code_hash
from broken_convnets.util.progress import track

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from broken_convnets.corpus.entries import Corpus, Entry
    from broken_convnets.sandbox.runner import Runner

MEMORY_BYTES = 4 << 30  # a type checker takes more than a network
TOLD_NOTHING = ToolReport(needs=[Need.SOURCE])  # of a tool whose answers come in a file


@dataclass(frozen=True)
class Asked:
    """A tool, and what came of asking it."""

    ref: ToolRef
    told: ToolReport
    torch: str
    results: list[Result]
    baseline: list[Result] | None


class Survey:
    """The programs that one command asks about, and the tools that it has asked so far."""

    def __init__(self, corpus: Corpus, runner: Runner, options: argparse.Namespace) -> None:
        """Choose the programs; makes the variants, once for all tools."""
        self._corpus = corpus
        self._runner = runner
        self._options = options
        self._release = runtime_of(runner).torch
        entries = _entries(corpus, options, runner)
        self._entries = {(entry.id, number): entry for number, entry in entries}
        self._programs = programs(entries, options.seed, self._release)
        self._unfinished: list[Unfinished] = []

    def ask(self, ref: ToolRef) -> Asked:
        """Return what came of asking a tool; raises UsageError where there is none, or no file."""
        if self._options.sarif or self._options.predictions:
            told, results = TOLD_NOTHING, list(self._from_file())
        else:
            told, results = self._answers(ref)
        baseline = None if ref.name == BASELINE else self._baseline
        judged = _judge_fixes(self._runner, results, self._entries)
        return Asked(ref, told, self._release, judged, baseline)

    def finish(self) -> None:
        """Forget what was kept in case of an interruption."""
        for kept in self._unfinished:
            kept.finish()

    @functools.cached_property
    def _baseline(self) -> list[Result]:
        """What the baseline says, as it is recorded; asked where that is not all of it."""
        path = self._corpus.root / "results" / "tools" / f"{BASELINE}.toml"
        known = None if self._options.variants else baseline.read(path)
        here = known and known.torch == self._release
        found = baseline.results_of(known, self._programs) if known and here else []
        if len(found) == len(self._programs):
            return found
        return self._answers(ToolRef(BASELINE))[1]

    def _from_file(self) -> Iterator[Result]:
        """Yield what a file says of the programs; it may speak of the whole corpus."""
        everyone = programs(
            [(0, entry) for entry in self._corpus.entries.values()], self._options.seed
        )
        reader = sarif.read if self._options.sarif else predictions.read
        found = reader(self._options.sarif or self._options.predictions, everyone)
        for program in self._programs:
            if program.id in found:
                yield Result(program, masked(found[program.id]), 0.0)

    def _answers(self, ref: ToolRef) -> tuple[ToolReport, list[Result]]:
        """Return what a tool says of itself and of the programs; an interrupted run goes on."""
        told = describe(self._runner, ref)
        configuration = [ref, _code(ref), told.version, self._release, self._options.timeout]
        kept = Unfinished(configuration, self._programs)
        self._unfinished.append(kept)
        results = kept.known()
        known = {result.program.id for result in results}
        if known:
            note = f"{ref.name}: going on, {len(known)} of {len(self._programs)} programs are known"
            terminal.console(stderr=True).print(note, markup=False)
        rest = [program for program in self._programs if program.id not in known]
        answers = Asking(self._runner, ref, told, self._options.timeout).ask(rest)
        for result in track(answers, f"asking {ref.name} about {len(rest)} programs", len(rest)):
            kept.add(result)
            results.append(result)
        return told, sorted(results, key=lambda result: result.program.key)


@contextlib.contextmanager
def surveyed(corpus: Corpus, options: argparse.Namespace) -> Iterator[Survey]:
    """Give a survey of what the options name; an interrupted one is gone on with next time.

    Raises UsageError where there is no such executor or entry.
    """
    limits = Limits(seconds=options.timeout, memory_bytes=MEMORY_BYTES, workers=options.workers)
    with terminal.console(stderr=True).status("loading torch"):
        opened: Runner = (
            Spread(named(options.executor), limits)
            if options.executor
            else open_torch_runner(limits)
        )
    with opened as runner:
        survey = Survey(corpus, runner, options)
        yield survey
        survey.finish()


def _code(ref: ToolRef) -> list[str]:
    """Return a hash of each file that may change a tool's answer: this package, its own files."""
    files = [path for part in ref.argv if (path := Path(part)).is_file()]
    own = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return [code_hash(), *own]


def _entries(
    corpus: Corpus, options: argparse.Namespace, runner: Runner
) -> list[tuple[int, Entry]]:
    """Return the entries that are about this release of torch, and variants of them."""
    chosen = [
        corpus.entries[name] for name in corpus.select(options.only) if name in corpus.entries
    ]
    here = [entry for entry in chosen if is_here(entry, runtime_of(runner).torch)]
    own: list[tuple[int, Entry]] = [(0, entry) for entry in here]
    if not options.variants:
        return own
    from broken_convnets.commands.variants import verified  # noqa: PLC0415  (only where they are asked for)

    made = track(
        verified(runner, here, options.variants, options.seed),
        "making variants",
        len(here) * options.variants,
    )
    return own + [(variant.number, variant.entry) for variant in made]


def _judge_fixes(
    runner: Runner, results: list[Result], entries: dict[tuple[str, int], Entry]
) -> list[Result]:
    """Return the results with what became of each fix that was offered for a broken program."""
    from broken_convnets.commands.learn.grader import Grader  # noqa: PLC0415  (only where there are fixes)

    grader = Grader(runner)
    judged = []
    for result in results:
        case = entries[result.program.entry, result.program.variant]
        if result.program.side is Side.BROKEN and isinstance(case, Case):
            fixes = repaired(grader, case, result.diagnosis)
            judged.append(Result(result.program, result.diagnosis, result.seconds, fixes))
        else:
            judged.append(result)
    return judged
