"""What each command does: read the options, call the module that does the work, print.

Each takes the parsed options and returns the exit code; what it needs it imports itself, since
`list`, `show` and `explain` must be quick. Raises UsageError for what the user can put right.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .corpus import entries as corpora
from .errors import CorpusError, UsageError

if TYPE_CHECKING:
    import argparse

    from .corpus.entries import Corpus


def _load(options: argparse.Namespace) -> Corpus:
    return corpora.load(options.corpus)


def reproduce(options: argparse.Namespace) -> int:
    """Run every program, and judge."""
    from .proof import session

    return session.reproduce(_load(options), options)


def cost(options: argparse.Namespace) -> int:
    """Count what forward passes ask of torch."""
    from .cost import session as cost

    return cost.cost(_load(options), options)


def bench(options: argparse.Namespace) -> int:
    """Compare times in one run."""
    from .timing import bench

    return bench.bench(_load(options), options)


def list_(options: argparse.Namespace) -> int:
    """List the entries."""
    from . import terminal
    from .corpus.listing import listing

    corpus = _load(options)
    ids = corpus.select(options.ids)
    if options.json:
        _print_json([_summary(corpus, name) for name in ids])
    else:
        terminal.print_pieces(partial(listing, corpus, ids))
    return 0


def _summary(corpus: Corpus, name: str) -> dict[str, object]:
    entry = corpus.entries.get(name)
    if entry is None:
        return {"id": name, "kind": "invalid"}
    return {"id": name, "kind": entry.kind, "title": entry.spec.title, "level": entry.spec.level}


def show(options: argparse.Namespace) -> int:
    """Show all about one entry."""
    from . import terminal
    from .corpus.page import page
    from .results import records
    from .timing import stored

    entry = corpora.find(options.corpus, options.id)
    name, results = entry.id, options.corpus / "results"
    release, record = records.newest(results, name)
    if options.json:
        _print_json({"id": name, "kind": entry.kind, "spec": entry.spec,
                     "programs": entry.programs(), "record": record})  # fmt: skip
    else:
        times = stored.sentence(stored.read(results, "cpu"), name)
        terminal.console().print(page(entry, record, release, times))
    return 0


def explain(options: argparse.Namespace) -> int:
    """Name the cases that are like a text; 1 where none is."""
    from . import terminal
    from .explaining import answer, matching

    text = _pasted(options)
    corpus = _load(options)
    matches = matching.explain(text, top=options.top, corpus=corpus)
    if options.json:
        _print_json({"matches": matches})
    else:
        terminal.print_pieces(partial(answer.answer, matches, corpus))
    return 0 if matches else 1


def _pasted(options: argparse.Namespace) -> str:
    """Return the text to explain, from wherever it was given; raise UsageError for none."""
    from .explaining.reading import tail

    if options.file and options.text is not None:
        message = "give the text or --file, not both"
        raise UsageError(message)
    try:
        if options.file:
            with options.file.open("rb") as stream:
                text = tail(stream)
        elif options.text is None:
            if sys.stdin.isatty():
                print("Paste the message or the traceback, then press Ctrl-D:", file=sys.stderr)
            text = tail(sys.stdin.buffer)
        else:
            text = options.text
    except OSError as error:
        message = f"{options.file or 'stdin'} cannot be read: {error.strerror or error}"
        raise UsageError(message) from None
    if not text.strip():
        message = "there is nothing to explain: give the message, or pipe the traceback in"
        raise UsageError(message)
    return text


def trace(options: argparse.Namespace) -> int:
    """Run a program of the user and show what its layers did."""
    from .tracing import script

    return script.trace(options, _load(options))


def lint(options: argparse.Namespace) -> int:
    """Hold the files to the contract."""
    from .contract import lint

    corpus = _load(options)
    problems = lint.lint(corpus)
    try:
        problems += lint.unformatted(corpus)
    except FileNotFoundError as error:
        print(f"note: {error}", file=sys.stderr)
    except RuntimeError as error:
        raise UsageError(error) from None
    if options.json:
        _print_json([vars(problem) for problem in problems])
    else:
        for problem in problems:
            print(problem)
        print(f"{len(corpus.ids)} entries, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


def coverage(options: argparse.Namespace) -> int:
    """Hold the corpus against real reports."""
    from .contract.coverage import write_or_compare

    problems = write_or_compare(_load(options), write=options.write)
    print("\n".join([*problems, f"{len(problems)} problems"]))
    return 1 if problems else 0


def site(options: argparse.Namespace) -> int:
    """Write the static pages."""
    from .site.build import build

    corpus = _load(options)
    for problem in corpus.problems:
        print(f"note: left out, {problem}", file=sys.stderr)
    built = build(corpus, options.out)
    if options.json:
        _print_json(built)
    else:
        print(f"{built.front}: {built.pages} pages in {built.seconds:.1f} s")
    return 0


def learn(options: argparse.Namespace) -> int:
    """Let broken programs be mended."""
    from .learn import session

    return session.learn(_load(options), options)


def export(options: argparse.Namespace) -> int:
    """Write a case as a notebook."""
    from .learn.course import alias
    from .learn.notebook import write_notebook

    entry = corpora.find(options.corpus, options.id)
    if not isinstance(entry, corpora.Case):
        message = f"{entry.id} is a control: only a pair has something to mend"
        raise CorpusError(message)
    path = options.out or Path(f"{alias(entry).rpartition('/')[2]}.ipynb")
    write_notebook(entry, path)
    print(path)
    return 0


def score(options: argparse.Namespace) -> int:
    """Score a diagnostic tool."""
    from .tools import protocol, score

    if options.schema:
        _print_json(protocol.schema())
        return 0
    return score.score(_load(options), options)


def programs(options: argparse.Namespace) -> int:
    """Write the programs for tools that run elsewhere."""
    from .tools import handout

    return handout.hand_out(_load(options), options)


def variants(options: argparse.Namespace) -> int:
    """Make variants of the corpus, and verify them."""
    from .variants import session

    return session.variants(_load(options), options)


def new(options: argparse.Namespace) -> int:
    """Write the skeleton of a case."""
    from .contract.skeleton import write_skeleton

    for path in write_skeleton(options.corpus, options.id):
        print(path)
    return 0


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())
