"""Measure how often a classifier tells a variant from an original program.

    python -m experiments.measure_variants [--seeds 1 2 3]

Each entry contributes one program and the same side of one variant, so a guess is right half of
the time. A classifier never sees the entry that it is tested on, nor a near twin of it: it knows
what variants and originals look like, but not this program.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import make_variant
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.similarity import NEARLY_SAME, similarity

from experiments.tell_apart import (
    Text,
    layout,
    logistic_regression,
    naive_bayes,
    share_right,
    words,
    words_and_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broken_convnets.corpus.entries import Entry

ROOT = Path(__file__).parent.parent
VIEWS = {
    "words": words,
    "layout": layout,
    "words and numbers (sizes are meant to change)": words_and_numbers,
}
CLASSIFIERS = {"logistic regression": logistic_regression, "naive Bayes": naive_bayes}


def groups_of(sources: Mapping[str, str]) -> dict[str, str]:
    """Return a group for each entry: near twins are in one group, also by way of others."""
    group = {name: name for name in sources}
    names = sorted(sources)
    for number, name in enumerate(names):
        for other in names[:number]:
            if group[name] != group[other] and (
                similarity(sources[name], sources[other]) >= NEARLY_SAME
            ):
                old = group[name]
                group |= {each: group[other] for each in names if group[each] == old}
    return group


def texts_of(entries: Sequence[Entry], seed: int) -> list[Text]:
    """Return an original program and a variant of it for each entry, of a random side."""
    rng = random.Random(seed)  # noqa: S311  (no secret)
    group = groups_of({entry.id: _healthy(entry) for entry in entries})
    found = []
    for entry in entries:
        side = rng.choice(sorted(entry.programs()))
        variant = make_variant(entry, seed, 1).entry
        found += [
            Text(program.programs()[side], program is variant, group[entry.id])
            for program in (entry, variant)
        ]
    return found


def _healthy(entry: Entry) -> str:
    return list(entry.programs().values())[-1]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    corpus = load(ROOT)
    entries = [corpus.entries[name] for name in sorted(corpus.entries)]
    drawn = [texts_of(entries, seed) for seed in options.seeds]
    print(f"{sum(map(len, drawn))} programs, half of them variants, seeds {options.seeds}")
    for view, features in VIEWS.items():
        for name, classifier in CLASSIFIERS.items():
            shares = [share_right(texts, features, classifier) for texts in drawn]
            print(f"{view:46} {name:20} {sum(shares) / len(shares):6.1%} right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
