"""Run variants and keep those that fail and work as their originals do; count the others."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec

from ..cache import folder
from ..corpus.entries import Case, Control, Entry
from ..facts import Ending, Job
from ..proof.verify import Runs, judge
from ..vocabulary import STRUCTURAL, Stage, Verdict
from .make import NAMES_ONLY, Variant, variant
from .store import Result, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..corpus.spec import Broken, Healthy
    from ..facts import Observation
    from ..isolation.runner import Runner

DEVICE = "cpu"  # a mistake is the same one on every device
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
    def at(self) -> str:
        """The expression that raises, in the variant's own words; empty for a silent failure."""
        return self._broken("at")

    @property
    def layer(self) -> str:
        """The path of the layer that raises; empty where there is none."""
        return self._broken("layer")

    def _broken(self, key: str) -> str:
        entry = self.variant.entry
        return (getattr(entry.spec.broken, key) or "") if isinstance(entry, Case) else ""


def kept(runner: Runner, entries: Sequence[Entry], count: int, seed: int) -> Iterator[Variant]:
    """Yield `count` verified variants of each entry, or as many as there are; see `drawn`."""
    store = Store(folder("variants"), runner.hello, DEVICE)
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
    on_run: Callable[[Ending], None] = lambda _: None,
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
    on_run: Callable[[Ending], None],
) -> Iterator[Checked]:
    jobs = list(chain.from_iterable(_jobs(number, each)
                                    for number, each in enumerate(variants)))  # fmt: skip
    numbered = [msgspec.structs.replace(job, number=i) for i, (_, _, job) in enumerate(jobs)]
    endings: dict[int, dict[str, dict[int, Ending]]] = defaultdict(lambda: defaultdict(dict))
    for ending in runner.run(numbered):
        on_run(ending)
        which, side, job = jobs[ending.job]
        sides = endings[which]
        sides[side][job.seed] = ending
        each = variants[which]
        if sum(map(len, sides.values())) == SEEDS * len(each.entry.programs()):
            runs = {name: [seeds[seed] for seed in sorted(seeds)] for name, seeds in sides.items()}
            result = _result(each, runs, runner.hello.torch)
            if store:
                store.put(each, SEEDS, result)
            yield _checked(each, result)


def _jobs(which: int, each: Variant) -> Iterator[tuple[int, str, Job]]:
    for side, source in each.entry.programs().items():
        for seed in range(SEEDS):
            first = seed == 0 and _needs_structure(each, side)
            yield which, side, Job(0, source, seed, DEVICE, first=first)


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
    entry = _declaring(each.entry, result.broken, result.healthy)
    return Checked(replace(each, entry=entry), kept=True)


def _declaring(entry: Entry, broken: Broken | None, healthy: Healthy) -> Entry:
    if isinstance(entry, Control):
        return replace(entry, spec=msgspec.structs.replace(entry.spec, works=healthy))
    spec = msgspec.structs.replace(
        entry.spec, broken=broken or entry.spec.broken, fixed=healthy, seen=[]
    )
    return replace(entry, spec=spec)


def _result(each: Variant, runs: Runs, release: str) -> Result:
    """Judge the runs of a variant by its original's declaration, as far as that can hold."""
    entry = each.entry
    healthy, reason = _healthy(each, runs["fixed"][0].observation)
    broken = None
    if not reason and isinstance(entry, Case):
        declared = entry.spec.broken.on(DEVICE, release)
        broken, reason = _broken(each, declared, runs["broken"][0].observation)
    if reason:
        return Result(kept=False, reason=reason)
    judgement = judge(_declaring(entry, broken, healthy), runs, DEVICE, release)
    if judgement.verdict in {Verdict.REPRODUCED, Verdict.WORKS}:
        return Result(kept=True, broken=broken, healthy=healthy)
    told = "; ".join(f"{wrong.what}: {wrong.happened}" for wrong in judgement.mismatches)
    return Result(kept=False, reason=f"{judgement.verdict}: {told}")


def _healthy(each: Variant, seen: Observation | None) -> tuple[Healthy, str]:
    """Return what the fixed side declares: of other sizes where these were changed, else the same.

    The structure, the dtypes and the number of dimensions stay.
    """
    declared = each.entry.healthy
    if not each.resized or seen is None or seen.raised or seen.given is None:
        return declared, ""
    if _unsized(seen.output or "") != _unsized(declared.output):
        return declared, f"output: {declared.output} became {seen.output}"
    inputs = seen.given.inputs if declared.inputs else None
    if inputs is not None and _unsized(inputs) != _unsized(declared.inputs or ""):
        return declared, f"inputs: {declared.inputs} became {inputs}"
    parameters = seen.given.parameters if declared.parameters else None
    frozen = [
        total == trained for trained, total in filter(None, (parameters, declared.parameters))
    ]
    if len(set(frozen)) > 1:
        return declared, f"parameters: {declared.parameters} became {parameters}"
    own = {"output": seen.output, "inputs": inputs, "parameters": parameters}
    return msgspec.structs.replace(declared, **own), ""


def _unsized(text: str) -> str:
    return re.sub(r"(?<=[\[ ])\d+(?=[,\]])", "#", text)


def _broken(each: Variant, declared: Broken, seen: Observation | None) -> tuple[Broken, str]:
    """Return the declaration of the broken side in the variant's words, or why it has none."""
    if declared.stage is Stage.SILENT or not declared.fails or seen is None:
        return declared, ""
    raised = seen.raised
    if raised is None:
        return declared, "no failure: the broken side works"
    for what, want, got in (("stage", declared.stage, raised.stage),
                            ("exception", declared.raises, raised.type)):  # fmt: skip
        if want != got:
            return declared, f"{what}: {want} became {got}, {raised.message[:200]}"
    says = re.search(_kind(declared.says or "", each.names), raised.message)
    if says is None or not raised.at:
        return declared, f"message: {declared.says!r} became {raised.message[:200]!r}"
    if declared.layer and not raised.layer:
        return declared, f"layer: {declared.layer} became none"
    return msgspec.structs.replace(
        declared, says=says[0], at=raised.at, layer=raised.layer or None
    ), ""


def _kind(says: str, names: dict[str, tuple[str, ...]]) -> str:
    """Return a pattern for a message of one kind: other numbers, and the new names for the old."""
    parts = re.findall(r"\d+(?:x\d+)*|[A-Za-z_]\w*|.", says, re.DOTALL)
    return "".join(
        re.sub(r"\d+", r"\\d+", part)
        if part[0].isdigit()
        else f"(?:{'|'.join(map(re.escape, (part, *names[part])))})"
        if part in names
        else re.escape(part)
        for part in parts
    )
