"""Run variants and keep those that fail and work as their originals do; count the others."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.variants.declaring import DEVICE, declaring, result_of
from broken_convnets.commands.variants.make import NAMES_ONLY, Variant, variant
from broken_convnets.commands.variants.store import Result, Store
from broken_convnets.corpus.entries import Case, Entry
from broken_convnets.observe.facts import Observation, Run, RunRequest
from broken_convnets.observe.runner import OBSERVE, runtime_of
from broken_convnets.sandbox.job import Job
from broken_convnets.util.cache import folder
from broken_convnets.vocabulary import STRUCTURAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from broken_convnets.sandbox.runner import Runner

SEEDS = 2  # runs of each side
AT_A_TIME = 32  # variants that are made before the first of them runs
TRIES = 2  # times as many variants are drawn as are wanted, before an entry is given up


@dataclass(frozen=True)
class Checked:
    """A variant after its verification.

    One that is kept declares what truly happened: `variant.entry` holds its own message, place,
    layer and output. `reason` says why one is not kept, its kind before the colon.
    """

    variant: Variant
    kept: bool
    reason: str = ""

    @property
    def expression(self) -> str:
        """The expression that raises, in the variant's own words; empty for a silent failure."""
        return self._broken("expression")

    @property
    def layer(self) -> str:
        """The path of the layer that raises; empty where there is none."""
        return self._broken("layer")

    def _broken(self, key: str) -> str:
        entry = self.variant.entry
        return (getattr(entry.spec.broken, key) or "") if isinstance(entry, Case) else ""


def kept(runner: Runner, entries: Sequence[Entry], count: int, seed: int) -> Iterator[Variant]:
    """Yield `count` verified variants of each entry, or as many as there are; see `drawn`."""
    store = Store(folder("variants"), runtime_of(runner), DEVICE)
    found = drawn(runner, entries, count, seed, store)
    yield from (checked.variant for checked in found if checked.kept)


def drawn(
    runner: Runner, entries: Sequence[Entry], count: int, seed: int, store: Store | None = None
) -> Iterator[Checked]:
    """Make and verify variants until each entry has `count` that are kept.

    Where one is discarded the next number takes its place, up to TRIES times `count` numbers.
    Yields the discarded ones too, each as soon as it is known: the runner is in use until the
    last one.
    """
    missing = {entry.id: count for entry in entries}
    number = dict.fromkeys(missing, 0)
    while True:
        asked = []
        for entry in entries:
            more = min(missing[entry.id], TRIES * count - number[entry.id])
            asked += [(entry, number[entry.id] + step + 1) for step in range(more)]
            number[entry.id] += more
        if not asked:
            return
        made = (variant(entry, seed, which) for entry, which in asked)
        for checked in verified(runner, made, store=store):
            missing[checked.variant.id] -= checked.kept
            yield checked


def verified(
    runner: Runner,
    variants: Iterable[Variant],
    *,
    store: Store | None = None,
    on_run: Callable[[Run], None] = lambda _: None,
) -> Iterator[Checked]:
    """Yield each variant with whether it is kept, in the order in which that is known.

    A variant is kept if its broken side fails in the same stage with the same exception and the
    same kind of message, or breaks exactly the same laws, and its fixed side obeys every law that
    the original's does.
    """
    coming = iter(variants)
    while some := list(islice(coming, AT_A_TIME)):
        new = []
        for each in some:
            known = store.get(each, SEEDS) if store else None
            if known is None:
                new.append(each)
            else:
                yield _checked(each, known)
        yield from _run(runner, new, store, on_run)


def _run(
    runner: Runner,
    variants: Sequence[Variant],
    store: Store | None,
    on_run: Callable[[Run], None],
) -> Iterator[Checked]:
    release = runtime_of(runner).torch if variants else ""
    jobs = list(chain.from_iterable(_jobs(number, each) for number, each in enumerate(variants)))
    numbered = [msgspec.structs.replace(job, number=i) for i, (_, _, job) in enumerate(jobs)]
    endings: dict[int, dict[str, dict[int, Run]]] = defaultdict(lambda: defaultdict(dict))
    for ending in runner.run(numbered, Observation):
        on_run(ending)
        which, side, job = jobs[ending.job]
        sides = endings[which]
        sides[side][job.payload.seed] = ending
        each = variants[which]
        if sum(map(len, sides.values())) == SEEDS * len(each.entry.programs()):
            runs = {name: [seeds[seed] for seed in sorted(seeds)] for name, seeds in sides.items()}
            result = result_of(each, runs, release)
            if store:
                store.put(each, SEEDS, result)
            yield _checked(each, result)


def _jobs(which: int, each: Variant) -> Iterator[tuple[int, str, Job]]:
    for side, source in each.entry.programs().items():
        for seed in range(SEEDS):
            full = seed == 0 and _needs_structure(each, side)
            yield which, side, Job(0, OBSERVE, RunRequest(source, seed, DEVICE, full=full))


def _needs_structure(each: Variant, side: str) -> bool:
    """Return whether the laws of structure must be judged; torch.export is dearer than all others.

    They read what a network is made of. Other names, imports and line breaks leave that as it
    is, so they were judged with the original. Of the broken side they are asked only where it is
    declared to break one.
    """
    spec = each.entry.spec
    if isinstance(each.entry, Case) and side == "broken":
        return bool(STRUCTURAL & each.entry.spec.broken.violates)
    return bool(STRUCTURAL & set(spec.waive)) or not set(each.transformations) <= NAMES_ONLY


def _checked(each: Variant, result: Result) -> Checked:
    if not result.kept or result.healthy is None:
        return Checked(each, kept=False, reason=result.reason)
    entry = declaring(each.entry, result.broken, result.healthy)
    return Checked(replace(each, entry=entry), kept=True)
