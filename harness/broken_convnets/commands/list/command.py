"""The `list` command: list the cases, controls and guides."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.list.listing import listing, listing_with_symptoms
from broken_convnets.commands.shared_options import add_ids, add_json
from broken_convnets.corpus.entries import Case, Corpus, load
from broken_convnets.corpus.guides import Guide, load_guides
from broken_convnets.corpus.selection import select
from broken_convnets.corpus.symptoms import Symptom
from broken_convnets.errors import UsageError
from broken_convnets.util import terminal
from broken_convnets.util.json_output import print_json

if TYPE_CHECKING:
    import argparse

ANY = "any"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_ids(parser)
    parser.add_argument(
        "--symptom",
        nargs="?",
        const=ANY,
        metavar="NAME",
        help="only cases with this symptom, or with any, and show their symptoms; names: "
        + ", ".join(Symptom),
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print a row, or with `--json` an object, for each entry."""
    wanted = None if options.symptom in {None, ANY} else _symptom(options.symptom)
    corpus = load(options.corpus)
    guides = load_guides(corpus.root).valid
    ids = select(corpus.root, sorted({*corpus.ids, *guides}), options.ids)
    if options.symptom:
        ids = [name for name in ids if _shows(corpus, name, wanted)]
    if options.json:
        print_json([_summary(corpus, guides, name) for name in ids])
    else:
        rows = listing_with_symptoms if options.symptom else partial(listing, guides=guides)
        terminal.print_pieces(partial(rows, corpus, ids))
    return 0


def _symptom(text: str) -> Symptom:
    """Return the symptom with a name; raise UsageError, with similar names, if there is none."""
    name = "_".join(text.lower().replace("-", " ").split())
    found = next((symptom for symptom in Symptom if symptom == name), None)
    if found is None:
        from difflib import get_close_matches  # noqa: PLC0415  (slow to import, and rarely needed)

        near = get_close_matches(name, Symptom, n=3) or [one for one in Symptom if name in one]
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of: {', '.join(Symptom)}"
        message = f"--symptom: no symptom is named {text!r}: {hint}"
        raise UsageError(message)
    return found


def _symptoms(corpus: Corpus, name: str) -> list[Symptom]:
    entry = corpus.entries.get(name)
    return entry.spec.symptoms if isinstance(entry, Case) else []


def _shows(corpus: Corpus, name: str, wanted: Symptom | None) -> bool:
    symptoms = _symptoms(corpus, name)
    return bool(symptoms) if wanted is None else wanted in symptoms


def _summary(corpus: Corpus, guides: dict[str, Guide], name: str) -> dict[str, object]:
    if name in guides:
        return {"id": name, "kind": "guide", "title": guides[name].spec.title}
    entry = corpus.entries.get(name)
    if entry is None:
        return {"id": name, "kind": "invalid"}
    return {
        "id": name,
        "kind": entry.kind,
        "title": entry.spec.title,
        "level": entry.spec.level,
        "symptoms": _symptoms(corpus, name),
    }
