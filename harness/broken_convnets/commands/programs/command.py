"""The `programs` command: write programs of the corpus for a tool that runs elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.programs.export_programs import (
    REQUESTS,
    export_programs,
    require_empty,
)
from broken_convnets.commands.score.entry_selection import generated_variants
from broken_convnets.commands.score.programs.hand_out import Sides, handed_out, random_seed
from broken_convnets.commands.score.programs.key import key_of, write_key
from broken_convnets.commands.score.programs.near_twins import near_twins, without_near_twins
from broken_convnets.commands.score.programs.program import corpus_programs
from broken_convnets.commands.shared_options import add_ids, add_json, add_workers
from broken_convnets.corpus.entries import load
from broken_convnets.util.argument_types import count
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse

    from broken_convnets.corpus.entries import Entry


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write to this new or empty folder"
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="write the key, which the tool must not see, to this file (default: DIR.key.json)",
    )
    parser.add_argument(
        "--both-sides",
        action="store_true",
        help="write both programs of each pair (default: one, drawn at random)",
    )
    parser.add_argument(
        "--variants",
        type=count,
        default=0,
        metavar="N",
        help="also write N generated variants of each program (default: 0)",
    )
    parser.add_argument(
        "--seed",
        type=count,
        metavar="S",
        help="random seed for the sides, the order and the variants (default: drawn for each run)",
    )
    add_workers(parser)
    add_ids(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Write the programs and their key, and print how to score a tool's answers.

    Raises UsageError for an unknown id and for a file or folder that cannot be written.
    """
    key_file = options.key or options.out.with_name(f"{options.out.name}.key.json")
    require_empty(options.out)
    corpus = load(options.corpus)
    selected = corpus.select(options.ids)
    entries = [corpus.entries[name] for name in selected if name in corpus.entries]
    seed = random_seed() if options.seed is None else options.seed
    sides = Sides.BOTH if options.both_sides else Sides.ONE
    variants = _variants(entries, seed, options)
    everything = corpus_programs([*((0, entry) for entry in entries), *variants], seed)
    programs = handed_out(everything, seed, sides)
    if sides is Sides.ONE:  # one folder shows all programs side by side
        chosen = without_near_twins(near_twins(everything), seed)
        programs = [one for one in programs if one.entry in chosen]
    write_key(key_file, key_of(programs, variants, seed, sides, options.variants))
    try:
        export_programs(programs, options.out)
    except BaseException:
        key_file.unlink()
        raise
    if options.json:
        document = {"folder": str(options.out), "requests": str(options.out / REQUESTS)}
        ids = [program.id for program in programs]
        print_json({**document, "key": str(key_file), "sides": sides, "ids": ids})
    else:
        print(f"wrote {len(programs)} programs to {options.out}, and their key to {key_file}")
        print(f"score a tool's answers: broken-convnets score --key {key_file} --sarif FILE")
        print("or, for JSON lines: --predictions FILE")
    if twins := {one.entry for one in everything} - {one.entry for one in programs}:
        note = (
            f"note: left out {len(twins)} entries, because their programs are nearly those of "
            "other entries; --both-sides includes them"
        )
        print(note, file=sys.stderr)
    if skipped := len(selected) - len(entries):
        note = f"note: skipped {skipped} invalid entries, see `broken-convnets lint`"
        print(note, file=sys.stderr)
    return 0


def _variants(
    entries: list[Entry], seed: int, options: argparse.Namespace
) -> list[tuple[int, Entry]]:
    """Return the generated variants; only they need torch, because they are verified."""
    if not options.variants:
        return []
    from broken_convnets.commands.variants.limits import (  # noqa: PLC0415  (see above)
        patient_limits,
    )
    from broken_convnets.observe.runner import open_torch_runner  # noqa: PLC0415  (see above)

    limits = patient_limits(options.workers, [str(options.corpus)])
    with open_torch_runner(limits) as runner:
        return generated_variants(runner, entries, options.variants, seed)
