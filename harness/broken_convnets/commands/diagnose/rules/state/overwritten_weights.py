"""Weights that were loaded are used, and not overwritten by random ones."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value
    from broken_convnets.observe.recorder.weight_loads import WeightLoad

# In-place operators that fill a tensor with random numbers.
RANDOM = frozenset(
    {"normal_", "uniform_", "trunc_normal_", "orthogonal_", "sparse_", "exponential_"}
    | {"xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"}
)
ALIASES = frozenset({"__get__ data", "detach"})
UNUSING = frozenset({"requires_grad_", "__set__ requires_grad", "to", "cuda", "float"})
LEAST = 2  # matrices and filters
SHARE = 0.9  # of those that were loaded
HOPS = 4


@rule(
    "loaded weights are used before anything overwrites them",
    stays_quiet="unless random numbers overwrite nearly all matrices and filters of a load, and "
    "nothing has read them",
)
def loaded_weights_are_overwritten(evidence: Evidence) -> Iterator[Finding]:
    """Find `net.load_state_dict(...)` followed by `net.apply(init_weights)`."""
    require_success(evidence)
    for load, loaded in _loads(evidence):
        overwriting = [one for one in (_overwriting(evidence, v) for v in loaded) if one]
        if len(loaded) < LEAST or len(overwriting) < SHARE * len(loaded):
            continue
        places = _together(overwriting[0].places, load.places)
        before = _together(load.places, places)
        yield Finding(
            kind="state",
            message=f"the weights that {load.type} loads are overwritten by random ones before "
            "anything uses them: initialize first, then load",
            evidence=f"{overwriting[0].name} and the like write to {len(overwriting)} of "
            f"{len(loaded)} loaded matrices and filters",
            cause=location(places),
            symptom=location(before),
            subject=places[0].text,
            candidates=_moved(evidence, places, before),
            confidence=8,
        )


def _loads(evidence: Evidence) -> Iterator[tuple[WeightLoad, list[Value]]]:
    """Yield each load with the values of the matrices and filters that it writes."""
    loads = list(evidence.record.weight_loads)
    begins = [0, *(one.moment.operators for one in loads)]
    ranges = [range(*pair) for pair in pairwise(begins)]
    copies = [one for one in evidence.record.operators if one.name == "copy_" and one.changed]
    for load, numbers in zip(loads, ranges, strict=True):
        own = (one for one in copies if one.number in numbers and one.places == load.places)
        written = (one.changed[0] for one in own)
        yield load, [value for value in written if value.parameter and len(value.shape) > 1]


def _overwriting(evidence: Evidence, value: Value, hops: int = HOPS) -> Operator | None:
    """Return the operator that fills a value with random numbers before any other reads it."""
    readers = sorted(evidence.flow.consumers(value), key=lambda one: one.number)
    for one in readers:
        if one.name in RANDOM:
            return one if one.places else None
        if one.name in ALIASES and hops:
            return _overwriting(evidence, one.outputs[0], hops - 1) if one.outputs else None
        if one.name not in UNUSING:
            return None
    return None


def _together(places: tuple[Place, ...], others: tuple[Place, ...]) -> tuple[Place, ...]:
    """Return the places from the innermost one on that is in a function of the others."""
    functions = {(one.file, one.function) for one in others}
    for at, one in enumerate(places):
        if (one.file, one.function) in functions:
            return places[at:]
    return places[-1:]


def _moved(
    evidence: Evidence, places: tuple[Place, ...], before: tuple[Place, ...]
) -> tuple[Candidate, ...]:
    """Return the patch that moves the initialization before the load."""
    later, first = site_of(evidence, places), site_of(evidence, before)
    if later is None or first is None or later.source is not first.source:
        return ()
    block = first.source.block_of(first.statement)
    around = [later.statement, *later.source.loops_around(later.call)]
    found = next((one for one in around if one in block), None)
    if found is None:
        return ()
    change = partial(edits.move, first.source, found, first.statement, after=False)
    return candidates((0, change))
