"""The `score` command: ask a tool about the corpus, score what it says, compare, record."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from .. import terminal
from ..errors import UsageError
from ..facts import ToolRef
from . import book, page, sarif
from .protocol import Need
from .scoreboard import lines
from .scoring import score as scored
from .survey import survey
from .tool import bundled, check_known

if TYPE_CHECKING:
    import argparse

    from ..corpus import Corpus
    from .scoring import Score
    from .survey import Asked


_NAME = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,99}")


def score(corpus: Corpus, options: argparse.Namespace) -> int:
    """Score the tool that the options name; return 1 where it lost something and that is to fail.

    Raises UsageError where the options, the tool or the records do not allow it.
    """
    ref = named_tool(options)
    path = options.book or corpus.root / "results" / "tools" / f"{ref.name}.toml"
    then = book.read(path)
    if options.fail_on_regression and then is None:
        message = f"nothing is recorded of {ref.name}: record it first (--bless)"
        raise UsageError(message)
    try:
        asked = survey(corpus, ref, options)
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
        made = _book(asked, now, figures, options)
        book.write(path, _completed(made, then, corpus) if options.only and then else made)
        print(f"blessed {path}", file=sys.stderr)
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


def _show(
    options: argparse.Namespace,
    asked: Asked,
    figures: Score,
    then: book.ToolBook | None,
    now: book.Programs,
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
    console = terminal.console()
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


def _book(
    asked: Asked, now: book.Programs, figures: Score, options: argparse.Namespace
) -> book.ToolBook:
    held = figures.robustness
    return book.ToolBook(
        tool=asked.ref.name,
        version=asked.told.version,
        needs=asked.told.needs,
        argv=[Path(part).name for part in asked.ref.argv],
        torch=asked.torch,
        misses=book.misses(now),
        programs=now,
        variants=book.OnVariants(options.variants, options.seed, held) if held else None,
    )


def _completed(made: book.ToolBook, then: book.ToolBook, corpus: Corpus) -> book.ToolBook:
    """Return a book of some programs with what is recorded of the others that are still there.

    Raises UsageError where that is of another version, which would make one book of two tools.
    """
    if (then.version, then.torch) != (made.version, made.torch):
        message = f"recorded is {then.version} under torch {then.torch}: record all, without --only"
        raise UsageError(message)
    others = {name: sides for name, sides in then.programs.items() if name in corpus.entries}
    both = dict(sorted({**others, **made.programs}.items()))
    varied = made.variants or then.variants
    return msgspec.structs.replace(made, programs=both, misses=book.misses(both), variants=varied)
