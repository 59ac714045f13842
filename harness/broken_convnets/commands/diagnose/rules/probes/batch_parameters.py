"""A parameter has no row for each place in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice, pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.classes import class_sources
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import PLAIN
from broken_convnets.commands.diagnose.rules.probes.reordered import Dependent, first_dependent
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe

SAMPLES = 2  # of a batch, at least
COMBINING = frozenset({"add", "sub", "mul", "div", "cat", "concat", "where", "lerp", "addcmul"})
SHUFFLING = frozenset({"RandomSampler", "WeightedRandomSampler", "DistributedSampler"})
PASSES = 60  # that are compared with each other
PAIRS = 3  # of samples in each of both orders, that no clip of a video has


@dataclass(frozen=True)
class _Matched:
    """A parameter that an operator combines with a batch, sample by sample."""

    name: str
    shape: tuple[int, ...]
    other: tuple[int, ...]


@rule(
    "a parameter is shared by the samples of a batch",
    stays_quiet="unless batches are shuffled, so that samples change their places; about codes "
    "that are looked up by index, "
    "noise of the shape of an input, networks that receive one batch several times in a row, "
    "and a batch of one",
)
def parameter_for_each_place_in_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find positional encodings and class tokens of shape (batch, 1, features)."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        size = probe.batch_size
        if size < SAMPLES or not any(p.shape[:1] == (size,) for p in probe.network.parameters()):
            continue
        found = evidence.probing.run(partial(first_dependent, probe, size))
        matched = _matched(found, probe, size) if found else None
        if found is None or matched is None or not found.operator.places:
            continue
        if _fits_one(_batches(evidence, probe, size)):
            continue
        if is_shuffled(evidence, probe):
            yield _finding(evidence, probe, found, matched)


def _finding(evidence: Evidence, probe: Probe, found: Dependent, matched: _Matched) -> Finding:
    place, size = found.operator.places[0], probe.batch_size
    return Finding(
        kind="shape/hardcoded_batch_size",
        message=f"{matched.name} has a row for each place in the batch",
        evidence=f"its shape {list(matched.shape)} begins with the batch size {size}, and "
        f"`{place.text}` combines it with a tensor of shape {list(matched.other)}: the same sample "
        "has another output at another place of the batch; its first dimension should be 1",
        violates=(Law.SAMPLES_INDEPENDENT, Law.ANY_BATCH_SIZE),
        cause=_assignment(evidence, probe, matched.name) or Location(place.file, place.line),
        symptom=Location(place.file, place.line),
        subject=matched.name,
        module=matched.name.rpartition(".")[0],
        confidence=8,
    )


def _matched(found: Dependent, probe: Probe, size: int) -> _Matched | None:
    """Return the parameter that the first dependent operator combines with something else."""
    operator, shape = found.operator, found.operator.outputs[0].shape
    name = operator.name.strip("_")
    if PLAIN.get(name, name) not in COMBINING or shape[:1] != (size,):
        return None
    parameters, made = dict(found.network.named_parameters()), _made_of_parameters(found)
    given = {tuple(tensor.shape) for tensor in tensors(probe.forward.captured)}
    others = [one for one in operator.inputs if id(one) not in made]
    for one in operator.inputs if others else ():
        path = made.get(id(one), "")
        own = tuple(parameters[path].shape) if path else ()
        is_row_each = own[:1] == (size,) == one.shape[:1] and one.ndim == len(shape)
        if is_row_each and parameters[path].requires_grad and own not in given:
            return _Matched(path, own, tuple(others[0].shape))
    return None


def _made_of_parameters(found: Dependent) -> dict[int, str]:
    """Return the identities of parameters and of what is computed from one alone, with its name."""
    made = {id(one): name for name, one in found.network.named_parameters()}
    for operator in found.before:
        names = {made.get(id(one), "") for one in operator.inputs}
        if len(names) == 1 and "" not in names:
            made.update(dict.fromkeys(map(id, operator.results), *names))
    return made


def is_shuffled(evidence: Evidence, probe: Probe) -> bool:
    """Return whether the first dimension of a network's input is surely samples, in any order."""
    size = probe.batch_size
    batches = _batches(evidence, probe, size)
    return _is_shuffled_loader(evidence, probe, size) or _are_in_other_orders(batches)


def _is_shuffled_loader(evidence: Evidence, probe: Probe, size: int) -> bool:
    """Return whether the network receives the batches of a loader that shuffles."""
    batches = {
        value
        for loader in evidence.record.loaders
        if loader.batch_size == size and loader.sampler in SHUFFLING
        for epoch in loader.epochs
        for batch in epoch.values
        for value in batch
        if value.shape[:1] == (size,) and value.shape[1:2] != (size,)  # else time may come first
    }
    own = (p for p in evidence.record.passes if p.network() is probe.network and p.received)
    given = [p.received[0] for p in islice(own, PASSES) if p.received[0].shape[:1] == (size,)]
    return not batches.isdisjoint(evidence.flow.ancestors(given))


def _batches(evidence: Evidence, probe: Probe, size: int) -> list[tuple[int, ...]]:
    """Return the checksums of the samples in the first batches of this size."""
    own = (p for p in evidence.record.passes if p.network() is probe.network)
    return [p.rows for p in islice(own, PASSES) if len(p.rows) == size]


def _fits_one(batches: list[tuple[int, ...]]) -> bool:
    """Return whether one batch is passed several times in a row, as an attack on it does.

    The parameter may then belong to that batch.
    """
    return len(batches) < SAMPLES or any(one == other for one, other in pairwise(batches))


def _are_in_other_orders(batches: list[tuple[int, ...]]) -> bool:
    """Return whether samples that are in two batches have the same order in some, and not in all.

    Frames of overlapping clips always have the same order.
    """
    orders = [0, 0]
    for one, other in combinations(batches, 2):
        places = {row: place for place, row in enumerate(one)}
        common = [places[row] for row in dict.fromkeys(other) if row in places]
        for first, second in combinations(common, 2):
            orders[first < second] += 1
    return min(orders) >= PAIRS


def _assignment(evidence: Evidence, probe: Probe, name: str) -> Location | None:
    """Return where the user's class assigns the parameter."""
    path, _, attribute = name.rpartition(".")
    owner = type(probe.network.get_submodule(path))
    for found in class_sources(evidence, owner):
        for statement in found.assignments(attribute):
            return location_in(found.source, statement)
    return None
