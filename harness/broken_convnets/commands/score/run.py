"""Run tools on the programs that the options select, or read their answers from a file."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from broken_convnets.commands.score import regressions
from broken_convnets.commands.score.checkpoint import Checkpoint
from broken_convnets.commands.score.entry_selection import (
    DrawnSeed,
    generated_variants,
    selected_entries,
)
from broken_convnets.commands.score.executors import load_executor
from broken_convnets.commands.score.fix_check import first_fix, fix_works
from broken_convnets.commands.score.kinds import known_kinds
from broken_convnets.commands.score.leaderboard import BASELINE
from broken_convnets.commands.score.predictions import read_predictions
from broken_convnets.commands.score.programs.edit import edit_of, with_lines_of_fixes
from broken_convnets.commands.score.programs.hand_out import Sides, handed_out
from broken_convnets.commands.score.programs.key import hand_out, read_key
from broken_convnets.commands.score.programs.program import ProgramRole, corpus_programs
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import Need
from broken_convnets.commands.score.record import read_record, record_path, recorded_results
from broken_convnets.commands.score.requests import ToolClient, describe_tool, masked
from broken_convnets.commands.score.sarif.kinds_of_rules import read_kinds_of_rules
from broken_convnets.commands.score.sarif.reading import read_sarif
from broken_convnets.commands.score.tool_files import hashes_of_tool
from broken_convnets.commands.score.tool_jobs import ToolRef, ToolReport
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.locations import results_to_read
from broken_convnets.observe.runner import open_torch_runner, runtime_of, with_torch
from broken_convnets.sandbox.executor_runner import ExecutorRunner
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.progress import track

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from broken_convnets.commands.score.record import ToolRecord
    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.sandbox.runner import Runner

MEMORY_BYTES = 4 << 30  # a type checker needs more memory than a network


@dataclass(frozen=True)
class ToolOutcome:
    """A tool, its results, and those of the baseline tool on the same programs."""

    ref: ToolRef
    description: ToolReport
    torch: str
    results: list[ToolResult]
    baseline: list[ToolResult] | None  # None for the baseline itself
    seed: int = 0  # of the sides, the order and the variants
    sides: Sides = Sides.BOTH
    variants: int = 0  # per entry


class ToolRun:
    """The programs of one command, on which tools run one after another."""

    def __init__(self, corpus: Corpus, runner: Runner, options: argparse.Namespace) -> None:
        """Select the programs, and generate their variants once for all tools."""
        self._corpus = corpus
        self._runner = runner
        self._options = options
        self._torch = runtime_of(runner).torch
        self._kinds = known_kinds(corpus)
        self._checkpoints: list[Checkpoint | DrawnSeed] = []
        self._sides = Sides.BOTH if options.both_sides else Sides.ONE
        self._variants = options.variants
        if options.key:
            self._read_hand_out()
        else:
            self._draw_hand_out()

    def _draw_hand_out(self) -> None:
        options = self._options
        self._seed = options.seed
        if self._seed is None:
            asked = [options.tools, options.exec, options.only, options.variants, options.name]
            drawn = DrawnSeed([str(self._corpus.root), self._torch, asked, options.both_sides])
            self._checkpoints.append(drawn)
            self._seed = drawn.value
        originals = selected_entries(self._corpus, self._runner, options.only)
        variants = generated_variants(self._runner, originals, options.variants, self._seed)
        entries = [*((0, entry) for entry in originals), *variants]
        self._entries = {(entry.id, number): entry for number, entry in entries}
        programs = corpus_programs(entries, self._seed, self._torch)
        self._programs = handed_out(programs, self._seed, self._sides)
        self._known = self._programs

    def _read_hand_out(self) -> None:
        """Use the programs that `programs` wrote, as far as `--only` selects them."""
        key = read_key(self._options.key)
        found = hand_out(key, self._corpus, self._torch)
        selected = set(self._corpus.select(self._options.only))
        self._seed, self._sides, self._variants = key.seed, key.sides, key.per_entry
        self._entries, self._known = found.entries, found.programs
        self._programs = [one for one in found.programs if one.entry in selected]

    def evaluate(self, ref: ToolRef) -> ToolOutcome:
        """Return the outcome of one tool. Raises UsageError for an unknown tool or a bad file."""
        if self._options.sarif or self._options.predictions:
            description = ToolReport(ref.version, needs=[Need.SOURCE])
            results = self._results_from_file()
        else:
            description, results = self._results_of(ref)
        baseline = None if ref.name == BASELINE else self._baseline
        return ToolOutcome(
            ref,
            description,
            self._torch,
            self._with_checked_fixes(results),
            baseline,
            self._seed,
            self._sides,
            self._variants,
        )

    def require_same_selection(self, path: Path, record: ToolRecord) -> None:
        """Raise UsageError if the record in `path` is of other programs than this run."""
        only = self._options.only
        regressions.require_same_selection(path, record, only, self._sides, self._seed)

    def finish(self) -> None:
        """Delete the checkpoints, because the command is complete."""
        for checkpoint in self._checkpoints:
            checkpoint.delete()

    @functools.cached_property
    def _baseline(self) -> list[ToolResult]:
        """The results of the baseline: as recorded if complete, otherwise from a new run."""
        record = (
            None
            if self._variants
            else read_record(record_path(results_to_read(self._corpus.root), BASELINE))
        )
        if record is not None and record.torch == self._torch:
            recorded = recorded_results(record, self._programs)
            if len(recorded) == len(self._programs):
                return recorded
        return self._results_of(ToolRef(BASELINE))[1]

    def _results_from_file(self) -> list[ToolResult]:
        """Return the answers in a file about the selected programs; it may have others too."""
        if self._options.sarif:
            kinds = self._options.kinds
            of_rules = read_kinds_of_rules(kinds, self._kinds) if kinds else {}
            answers = read_sarif(self._options.sarif, self._known, self._kinds, of_rules)
        else:
            answers = read_predictions(self._options.predictions, self._known, self._kinds)
        return [
            ToolResult(program, masked(answers[program.id]), 0.0)
            for program in self._programs
            if program.id in answers
        ]

    def _results_of(self, ref: ToolRef) -> tuple[ToolReport, list[ToolResult]]:
        """Return a tool's description and results; resumes an interrupted run."""
        description = describe_tool(self._runner, ref)
        options = self._options
        configuration = [
            ref,
            hashes_of_tool(ref),
            description.version,
            self._torch,
            options.timeout,
        ]
        checkpoint = Checkpoint(configuration, self._programs)
        self._checkpoints.append(checkpoint)
        results = checkpoint.load()
        done = {result.program.key for result in results}
        if done:
            note = f"{ref.name}: resuming, {len(done)} of {len(self._programs)} programs are done"
            terminal.console(stderr=True).print(note, markup=False)
        rest = [program for program in self._programs if program.key not in done]
        client = ToolClient(self._runner, ref, description, options.timeout, self._kinds)
        if rest:
            text = f"running {ref.name} on {len(rest)} programs"
            for result in track(client.diagnose(rest), text, len(rest)):
                checkpoint.add(result)
                results.append(result)
        return description, sorted(results, key=lambda result: result.program.key)

    def _with_checked_fixes(self, results: list[ToolResult]) -> list[ToolResult]:
        """Return the results with the check of every fix for a broken program."""
        from broken_convnets.commands.learn.grader import Grader  # noqa: PLC0415  (only for fixes)

        grader = Grader(self._runner)
        checked = []
        fixes = sum(first_fix(result.diagnosis) is not None for result in results)
        shown = track(results, f"judging {fixes} fixes", len(results)) if fixes else results
        for result in shown:
            program = result.program
            case = self._entries[program.entry, program.variant]
            diagnosis = with_lines_of_fixes(result.diagnosis, program.source)
            works = edit = None
            if program.role is ProgramRole.BROKEN and isinstance(case, Case):
                works = fix_works(grader, case, diagnosis)
                fix = first_fix(diagnosis)
                edit = edit_of(fix, case.broken, case.fixed) if fix else None
            checked.append(replace(result, diagnosis=diagnosis, fix_works=works, edit=edit))
        return checked


@contextlib.contextmanager
def open_run(corpus: Corpus, options: argparse.Namespace) -> Iterator[ToolRun]:
    """Open a run on the programs that the options select.

    Raises UsageError for an unknown executor or entry.
    """
    limits = Limits(
        seconds=options.timeout,
        memory_bytes=MEMORY_BYTES,
        workers=options.workers,
        hidden=[str(corpus.root)],
    )
    with terminal.console(stderr=True).status("loading torch"):
        opened: Runner = (
            ExecutorRunner(load_executor(options.executor), with_torch(limits))
            if options.executor
            else open_torch_runner(limits)
        )
    with opened as runner:
        run = ToolRun(corpus, runner, options)
        yield run
        run.finish()
