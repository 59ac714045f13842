"""Generate variants, run them, and report which fail and work as their originals do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.variants.declaring import DEVICE, declared_as, verification_of
from broken_convnets.commands.variants.make import NAMES_ONLY, Variant, make_variant
from broken_convnets.commands.variants.store import Verification, VerificationCache
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
BATCH = 32  # variants that are generated before the first of them runs
MAX_FACTOR = 2  # attempts per requested variant before giving up on an entry
REPEATED = "repeated: an earlier variant has the same programs"

Programs = tuple[str, ...]  # an id, and the programs of a variant


@dataclass(frozen=True)
class CheckedVariant:
    """A variant after its verification.

    A verified variant declares what happened when it ran: `variant.entry` has its own message,
    expression, layer and output. For a rejected one, `reason` says why: its kind, a colon, details.
    """

    variant: Variant
    verified: bool
    reason: str = ""

    @property
    def expression(self) -> str:
        """The source text of the expression that raises; empty for a silent failure."""
        return self._broken("expression")

    @property
    def layer(self) -> str:
        """The path of the layer that raises; empty if no layer does."""
        return self._broken("layer")

    def _broken(self, key: str) -> str:
        entry = self.variant.entry
        return (getattr(entry.spec.broken, key) or "") if isinstance(entry, Case) else ""


def verified(runner: Runner, entries: Sequence[Entry], count: int, seed: int) -> Iterator[Variant]:
    """Yield up to `count` verified variants of each entry; see `generate`."""
    cache = VerificationCache(folder("variants"), runtime_of(runner), DEVICE)
    checked = generate(runner, entries, count, seed, cache)
    yield from (each.variant for each in checked if each.verified)


def generate(
    runner: Runner,
    entries: Sequence[Entry],
    count: int,
    seed: int,
    cache: VerificationCache | None = None,
) -> Iterator[CheckedVariant]:
    """Generate and verify variants until each entry has `count` verified ones.

    A rejected variant, or one that repeats an earlier one, is replaced by the one with the next
    number, up to MAX_FACTOR times `count` numbers. Yields rejected variants too, each as soon as it
    is checked. The runner is in use until the iterator is exhausted.
    """
    missing = {entry.id: count for entry in entries}
    number = dict.fromkeys(missing, 0)
    seen: set[Programs] = set()
    while True:
        wanted = []
        for entry in entries:
            more = min(missing[entry.id], MAX_FACTOR * count - number[entry.id])
            wanted += [(entry, number[entry.id] + step + 1) for step in range(more)]
            number[entry.id] += more
        if not wanted:
            return
        repeated: list[Variant] = []
        made = (make_variant(entry, seed, which) for entry, which in wanted)
        for checked in verify(runner, _distinct(made, seen, repeated), cache=cache):
            missing[checked.variant.id] -= checked.verified
            yield checked
        yield from (CheckedVariant(each, verified=False, reason=REPEATED) for each in repeated)


def _distinct(
    variants: Iterable[Variant], seen: set[Programs], repeated: list[Variant]
) -> Iterator[Variant]:
    """Yield the variants whose programs are new, and append the others to `repeated`."""
    for each in variants:
        programs = (each.id, *each.entry.programs().values())
        if programs in seen:
            repeated.append(each)
        else:
            seen.add(programs)
            yield each


def verify(
    runner: Runner,
    variants: Iterable[Variant],
    *,
    cache: VerificationCache | None = None,
    on_run: Callable[[Run], None] = lambda _: None,
) -> Iterator[CheckedVariant]:
    """Run each variant and yield it with the outcome, in the order in which they finish.

    A variant is verified if its broken side fails in the same stage with the same exception and
    the same kind of message, or violates exactly the same laws, and its fixed side obeys every
    law that the original's fixed side obeys.
    """
    coming = iter(variants)
    while some := list(islice(coming, BATCH)):
        new = []
        for each in some:
            known = cache.get(each, SEEDS) if cache else None
            if known is None:
                new.append(each)
            else:
                yield _checked(each, known)
        yield from _run(runner, new, cache, on_run)


def _run(
    runner: Runner,
    variants: Sequence[Variant],
    cache: VerificationCache | None,
    on_run: Callable[[Run], None],
) -> Iterator[CheckedVariant]:
    release = runtime_of(runner).torch if variants else ""
    jobs = list(chain.from_iterable(_jobs(number, each) for number, each in enumerate(variants)))
    numbered = [msgspec.structs.replace(job, number=i) for i, (_, _, job) in enumerate(jobs)]
    results: dict[int, dict[str, dict[int, Run]]] = defaultdict(lambda: defaultdict(dict))
    for result in runner.run(numbered, Observation):
        on_run(result)
        which, side, job = jobs[result.job]
        sides = results[which]
        sides[side][job.payload.seed] = result
        each = variants[which]
        if sum(map(len, sides.values())) == SEEDS * len(each.entry.programs()):
            runs = {name: [seeds[seed] for seed in sorted(seeds)] for name, seeds in sides.items()}
            verification = verification_of(each, runs, release)
            if cache:
                cache.put(each, SEEDS, verification)
            yield _checked(each, verification)


def _jobs(which: int, each: Variant) -> Iterator[tuple[int, str, Job]]:
    for side, source in each.entry.programs().items():
        for seed in range(SEEDS):
            full = seed == 0 and _needs_structure(each, side)
            yield which, side, Job(0, OBSERVE, RunRequest(source, seed, DEVICE, full=full))


def _needs_structure(each: Variant, side: str) -> bool:
    """Return whether to judge the structural laws; torch.export costs more than all other laws.

    They depend only on the network's structure. Other names, imports and line breaks leave it
    unchanged, so the verdict on the original still holds. The broken side needs them only if it
    is declared to violate one.
    """
    spec = each.entry.spec
    if isinstance(each.entry, Case) and side == "broken":
        return bool(STRUCTURAL & each.entry.spec.broken.violates)
    return bool(STRUCTURAL & set(spec.waive)) or not set(each.transformations) <= NAMES_ONLY


def _checked(each: Variant, found: Verification) -> CheckedVariant:
    if not found.verified or found.healthy is None:
        return CheckedVariant(each, verified=False, reason=found.reason)
    entry = declared_as(each.entry, found.broken, found.healthy)
    return CheckedVariant(replace(each, entry=entry), verified=True)
