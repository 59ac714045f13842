"""The `programs` command: write the programs for a tool that runs elsewhere.

What is written tells of no program whether it is broken: neither names nor order, nor times.
`score --sarif` and `score --predictions` know the programs again by the seed alone.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.programs import programs
from broken_convnets.commands.score.protocol import Request
from broken_convnets.commands.score.workspace import file_name, lay_out, names_of
from broken_convnets.errors import UsageError
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from broken_convnets.commands.score.programs import Program
    from broken_convnets.corpus.entries import Corpus

REQUESTS = "requests.jsonl"
PYTHON = "python"  # whichever is there where the tool runs
SECONDS = 60.0  # as `score` gives by default


def hand_out(corpus: Corpus, options: argparse.Namespace) -> int:
    """Write the programs that the options name into a new folder."""
    chosen = [name for name in corpus.select(options.ids) if name in corpus.entries]
    made = programs([(0, corpus.entries[name]) for name in chosen], options.seed)
    write(made, options.out)
    back = f"broken-convnets score --seed {options.seed} --sarif FILE"
    if options.json:
        document = {
            "folder": str(options.out),
            "requests": str(options.out / REQUESTS),
            "seed": options.seed,
            "ids": [program.id for program in made],
        }
        print_json(document)
    else:
        print(f"{options.out}: {len(made)} programs")
        print(f"score what a tool says of them with: {back} (or --predictions FILE)")
    left = len(corpus.select(options.ids)) - len(chosen)
    if left:
        print(f"note: {left} entries are left out, see `broken-convnets lint`", file=sys.stderr)
    return 0


def write(made: Sequence[Program], out: Path) -> None:
    """Write programs and the requests about them; all or nothing.

    Raises UsageError where something is there already, or nothing can be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = f"{out} is there already: name a new folder with --out, or empty this one"
        raise UsageError(message)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as name:
            draft = Path(name) / "programs"
            draft.mkdir()
            _fill(draft, made)
            if out.exists():
                out.rmdir()
            shutil.move(draft, out)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror or error}"
        raise UsageError(message) from None


def _fill(folder: Path, made: Sequence[Program]) -> None:
    lines = []
    for program in made:
        lay_out(program.id, program.source, folder)
        request = Request(
            id=program.id,
            file=f"{program.id}/{file_name(program.id)}",
            source=program.source,
            names=names_of(program.source),
            python=PYTHON,
            seconds=SECONDS,
        )
        lines.append(msgspec.json.encode(request) + b"\n")
    (folder / REQUESTS).write_bytes(b"".join(lines))
