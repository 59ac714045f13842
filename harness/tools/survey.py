"""Ask one tool about all that the options name: the corpus, variants, or what a file answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.markup import escape
from rich.progress import track

from .. import terminal
from ..corpus import Case
from ..environment import PACKAGE
from ..facts import Limits, Told, ToolRef
from ..runner import open_runner
from . import book, predictions, sarif
from .asking import Asking, describe, masked
from .page import BASELINE
from .programs import Side, is_here, programs
from .protocol import Need
from .repair import repaired
from .result import Result
from .spread import Spread, named
from .unfinished import Unfinished

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from ..corpus import Corpus, Entry
    from ..runner import Runner
    from .programs import Program

Found = TypeVar("Found")

MEMORY_BYTES = 4 << 30  # a type checker takes more than a network
TOLD_NOTHING = Told(needs=[Need.SOURCE])  # of a tool whose answers come in a file


@dataclass(frozen=True)
class Asked:
    """What one command asked, of what, and what came back."""

    ref: ToolRef
    told: Told
    torch: str
    results: list[Result]
    baseline: list[Result] | None


def survey(corpus: Corpus, ref: ToolRef, options: argparse.Namespace) -> Asked:
    """Ask what the options want to know, and return what came back.

    Raises UsageError where there is no such tool, executor, entry or file.
    """
    limits = Limits(options.timeout, MEMORY_BYTES, workers=options.workers)
    with terminal.console(stderr=True).status("loading torch"):
        opened: Runner = (
            Spread(named(options.executor), limits) if options.executor else open_runner(limits)
        )
    with opened as runner:
        release = runner.hello.torch
        entries = _entries(corpus, options, runner)
        asked = programs(entries, options.seed, release)
        if options.sarif or options.predictions:
            told, results = TOLD_NOTHING, list(_from_file(corpus, asked, options))
        else:
            told = describe(runner, ref)
            results = _run(runner, ref, told, asked, options)
        baseline = None
        if ref.name != BASELINE:
            baseline = _recorded(corpus, release, asked) if not options.variants else []
            if not baseline:
                base = ToolRef(BASELINE)
                baseline = _run(runner, base, describe(runner, base), asked, options)
        results = _judge_fixes(runner, results, {(e.id, n): e for n, e in entries})
    return Asked(ref, told, release, results, baseline)


def _entries(
    corpus: Corpus, options: argparse.Namespace, runner: Runner
) -> list[tuple[int, Entry]]:
    """Return the entries that are about this release of torch, and variants of them."""
    chosen = [corpus.entries[name] for name in corpus.select(options.only)
              if name in corpus.entries]  # fmt: skip
    here = [entry for entry in chosen if is_here(entry, runner.hello.torch)]
    own: list[tuple[int, Entry]] = [(0, entry) for entry in here]
    if not options.variants:
        return own
    from ..variants import kept  # noqa: PLC0415  (only where they are asked for)

    made = _tracked(
        kept(runner, here, options.variants, options.seed),
        "making variants",
        len(here) * options.variants,
    )
    return own + [(variant.number, variant.entry) for variant in made]


def _recorded(corpus: Corpus, release: str, asked: list[Program]) -> list[Result]:
    """Return what is recorded of the baseline, if that is all and under this release of torch."""
    known = book.read(corpus.root / "results" / "tools" / f"{BASELINE}.toml")
    found = book.results_of(known, asked) if known and known.torch == release else []
    return found if len(found) == len(asked) else []


def _from_file(
    corpus: Corpus, asked: list[Program], options: argparse.Namespace
) -> Iterator[Result]:
    """Yield what a file says of the programs asked about; it may speak of the whole corpus."""
    everyone = programs([(0, entry) for entry in corpus.entries.values()], options.seed)
    reader = sarif.read if options.sarif else predictions.read
    found = reader(options.sarif or options.predictions, everyone)
    for program in asked:
        if program.id in found:
            yield Result(program, masked(found[program.id]), 0.0)


def _run(
    runner: Runner, ref: ToolRef, told: Told, asked: list[Program], options: argparse.Namespace
) -> list[Result]:
    code = [*sorted(PACKAGE.rglob("*.py")), *(Path(part) for part in ref.argv)]
    files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in code if path.is_file()]
    configuration = [ref, files, told.version, runner.hello.torch, options.timeout]
    kept = Unfinished(configuration, asked)
    results = kept.known()
    known = {result.program.id for result in results}
    if known:
        note = f"{ref.name}: going on, {len(known)} of {len(asked)} programs are known"
        terminal.console(stderr=True).print(note, markup=False)
    rest = [program for program in asked if program.id not in known]
    answers = Asking(runner, ref, told, options.timeout).ask(rest)
    for result in _tracked(answers, f"asking {ref.name} about {len(rest)} programs", len(rest)):
        kept.add(result)
        results.append(result)
    kept.finish()
    return sorted(results, key=lambda result: result.program.key)


def _judge_fixes(
    runner: Runner, results: list[Result], entries: dict[tuple[str, int], Entry]
) -> list[Result]:
    """Return the results with what became of each fix that was offered for a broken program."""
    from ..learn.examine import Examiner  # noqa: PLC0415  (only where there are fixes)

    examiner = Examiner(runner)
    judged = []
    for result in results:
        case = entries[result.program.entry, result.program.variant]
        if result.program.side is Side.BROKEN and isinstance(case, Case):
            fixes = repaired(examiner, case, result.diagnosis)
            judged.append(Result(result.program, result.diagnosis, result.seconds, fixes))
        else:
            judged.append(result)
    return judged


def _tracked(some: Iterable[Found], text: str, total: int) -> Iterator[Found]:
    """Yield what comes, with a bar on a terminal and a line elsewhere."""
    console = terminal.console(stderr=True)
    if not console.is_terminal:
        console.print(f"{text} …", markup=False)
    yield from track(
        some, escape(text), total, console=console, transient=True, disable=not console.is_terminal
    )
