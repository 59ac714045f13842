"""Measure which mistakes `wild` can place in which models.

    python -m experiments.measure_wild_reach [--seed S] [--configurations N] [--tree DIR...]

Prints for each fault class the models, and for each model the fault classes. A class fits a model
if one of its programs has a place for the mistake, in N drawn configurations of the model. With
`--tree`, the table has a second number: the pairs of which a folder that `broken-convnets wild
--out` has written contains a verified program. Exits with 1 if a class fits fewer than FEW_MODELS
models, or a model has fewer than FEW_CLASSES classes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.drafts import shapes, sites
from broken_convnets.commands.wild.faults.all_faults import faults_named
from broken_convnets.commands.wild.hosts.original import original
from broken_convnets.commands.wild.hosts.registry import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.wild.faults.registry import Fault
    from broken_convnets.commands.wild.hosts.host import Host

MANIFEST = "wild.json"
FEW_MODELS = 4  # that a fault class should fit at least
FEW_CLASSES = 8  # that should fit a model at least

Pairs = set[tuple[str, str]]  # of a fault class and a model


def fitting(seed: int, configurations: int) -> Pairs:
    """Return the pairs for which a program has a place."""
    return {
        (fault.case, host.name)
        for fault in faults_named([])
        for host in HOSTS.values()
        if any(_fits(fault, host, f"{seed}/{number}") for number in range(configurations))
    }


def _fits(fault: Fault, host: Host, configuration: str) -> bool:
    return any(
        sites(fault, original(host, wrapper, run, configuration).source)[1]
        for wrapper, run in shapes(host, fault, configuration)
    )


def verified(trees: Iterable[Path]) -> Pairs:
    """Return the pairs of the verified programs in generated folders."""
    manifests = [json.loads((tree / MANIFEST).read_text(encoding="utf-8")) for tree in trees]
    return {(one["of"], one["model"]) for found in manifests for one in found["programs"]}


def partners(pairs: Pairs, side: int) -> dict[str, list[str]]:
    """Return for each class (side 0) or model (side 1) what it is paired with, sorted."""
    names = sorted({pair[side] for pair in pairs})
    return {name: sorted(one[1 - side] for one in pairs if one[side] == name) for name in names}


def sparse(pairs: Pairs) -> list[str]:
    """Return the classes that fit too few models, and the models with too few classes."""
    models, classes = partners(pairs, 0), partners(pairs, 1)
    names = [fault.case for fault in faults_named([])]
    return [one for one in names if len(models.get(one, ())) < FEW_MODELS] + [
        one for one in HOSTS if len(classes.get(one, ())) < FEW_CLASSES
    ]


def _table(fit: Pairs, made: Pairs | None, side: int) -> None:
    done = partners(made or set(), side)
    for name, others in partners(fit, side).items():
        number = "" if made is None else f" {len(done.get(name, ())):9}"
        missing = [] if made is None else sorted({*others} - {*done.get(name, ())})
        print(f"{name:44} {len(others):5}{number}  {', '.join(missing)}".rstrip())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--configurations", type=int, default=2, metavar="N")
    parser.add_argument("--tree", type=Path, nargs="+", help="folders of verified programs")
    options = parser.parse_args()
    fit = fitting(options.seed, options.configurations)
    made = verified(options.tree) if options.tree else None
    titles = "" if made is None else "  verified  not verified"
    for side, name in enumerate(("fault class, by models", "model, by fault classes")):
        print(f"{name:44}  fits{titles}")
        _table(fit, made, side)
        print()
    few = sparse(fit)
    print(f"{len(fit)} pairs of a fault class and a model; sparse: {', '.join(few) or 'none'}")
    return int(bool(few))


if __name__ == "__main__":
    sys.exit(main())
