"""The `score` command: ask a tool about the corpus, score what it says, compare, record."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.markup import escape
from rich.progress import track
from rich.text import Text

from .. import report
from ..corpus import Case
from ..errors import UsageError
from ..facts import Limits, Told, ToolRef
from ..runner import open_runner
from . import book, page, predictions, sarif
from .asking import Asking, describe, masked
from .page import BASELINE
from .programs import Side, is_here, programs
from .protocol import Need
from .repair import repaired
from .result import Result
from .scoreboard import lines
from .scoring import score as scored
from .spread import Spread, named
from .tool import check_known
from .unfinished import Unfinished

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ..corpus import Corpus, Entry
    from ..runner import Runner
    from .programs import Program
    from .scoring import Score

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


def score(corpus: Corpus, options: argparse.Namespace) -> int:
    """Score the tool that the options name; return 1 where it lost something and that is to fail.

    Raises UsageError where the options, the tool or the records do not allow it.
    """
    ref = named_tool(options)
    path = options.book or corpus.root / "results" / "tools" / f"{ref.name}.toml"
    then = book.read(path)
    try:
        asked = _ask(corpus, ref, options)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        raise
    figures = scored(
        asked.results,
        asked.baseline,
        needs=frozenset(asked.told.needs),
        tool=ref.name,
        version=asked.told.version,
    )
    now = book.programs_said(asked.results, asked.told.needs)
    _show(options, asked, figures, then, now)
    if options.sarif_out:
        sarif.write(options.sarif_out, asked.ref.name, asked.told.version, asked.results)
    if options.bless:
        _bless(path, asked, now, figures, options)
        if path.parent == corpus.root / "results" / "tools":
            print(f"wrote {page.write(corpus)}", file=sys.stderr)
    if then is None or not options.fail_on_regression:
        return 0
    return int(bool(book.lost(then, now) or book.stale(then, now)))


def named_tool(options: argparse.Namespace) -> ToolRef:
    """Return which tool is meant; raises UsageError where that is none or two."""
    file = options.sarif or options.predictions
    given = [bool(options.tool), bool(options.exec), bool(file)]
    if sum(given) != 1:
        message = "name one tool, or give one of --exec, --sarif and --predictions"
        raise UsageError(message)
    if options.tool:
        check_known(options.tool)
        return ToolRef(options.tool)
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


def _ask(corpus: Corpus, ref: ToolRef, options: argparse.Namespace) -> Asked:
    limits = Limits(options.timeout, MEMORY_BYTES, workers=options.workers)
    with report.console(stderr=True).status("loading torch"):
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

    made = kept(runner, here, options.variants, options.seed)
    return own + [(variant.number, variant.entry) for variant in made]


def _recorded(corpus: Corpus, release: str, asked: list[Program]) -> list[Result]:
    """Return what is recorded of the baseline under this release of torch; often nothing."""
    known = book.read(corpus.root / "results" / "tools" / f"{BASELINE}.toml")
    return book.results_of(known, asked) if known and known.torch == release else []


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
    files = [hashlib.sha256(Path(part).read_bytes()).hexdigest()
             for part in ref.argv if Path(part).is_file()]  # fmt: skip
    configuration = [ref, files, told.version, runner.hello.torch, options.timeout]
    kept = Unfinished(configuration, asked)
    results = kept.known()
    known = {result.program.id for result in results}
    console, name = report.console(stderr=True), escape(ref.name)
    if known:
        console.print(f"{name}: going on, {len(known)} of {len(asked)} programs are known")
    rest = [program for program in asked if program.id not in known]
    if not console.is_terminal:
        console.print(f"asking {name} about {len(rest)} programs …")
    for result in track(
        Asking(runner, ref, told, options.timeout).ask(rest),
        f"asking {name}",
        len(rest),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ):
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


def _show(
    options: argparse.Namespace,
    asked: Asked,
    figures: Score,
    then: book.ToolBook | None,
    now: dict[str, dict[Side, book.Said]],
) -> None:
    lost = book.lost(then, now) if then else []
    gained = book.gained(then, now) if then else []
    stale = book.stale(then, now) if then else []
    if options.json:
        document: dict[str, Any] = {
            "torch": asked.torch,
            "seed": options.seed,
            "variants": options.variants,
            "score": figures,
            "programs": now,
            "lost": lost,
            "gained": gained,
            "stale": stale,
        }
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    console = report.console()
    console.print(Text(f"{asked.ref.name} {_versions(asked)}", style="bold"))
    for line in lines(figures, asked.results):
        console.print(line)
    for change in [*lost, *gained]:
        console.print(str(change), markup=False)
    for name in stale:
        console.print(f"{name}: listed as a miss and is none: record it (--bless)", markup=False)


def _versions(asked: Asked) -> str:
    torch = f"torch {asked.torch}"
    return torch if asked.told.version == torch else f"{asked.told.version}, {torch}".strip(", ")


def _bless(
    path: Path,
    asked: Asked,
    now: dict[str, dict[Side, book.Said]],
    figures: Score,
    options: argparse.Namespace,
) -> None:
    held = figures.robustness
    varied = book.OnVariants(options.variants, options.seed, held) if held else None
    made = book.ToolBook(
        tool=asked.ref.name,
        version=asked.told.version,
        needs=asked.told.needs,
        argv=[Path(part).name for part in asked.ref.argv],
        torch=asked.torch,
        misses=book.misses(now),
        programs=now,
        variants=varied,
    )
    book.write(path, made)
    print(f"blessed {path}", file=sys.stderr)
