"""The folds of a cross-validation do not share a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.read_samples import (
    passes_trained_on,
    positions_of_passes,
)
from broken_convnets.commands.diagnose.rules.data.splits import parts_by_position
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from weakref import ref

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass

    Samples = Mapping[ForwardPass, AbstractSet[int]]

SAMPLES = 8  # of a fold's training, at least
NEARLY_ALL = 0.9  # the rest was dropped with the last batch of an epoch


@dataclass
class Fold:
    """Samples that a network trained on, and all samples that it was called with afterwards."""

    trained: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    weights: int = 0  # of the network when it began
    passes: list[ForwardPass] = field(default_factory=list)  # of the validation

    @property
    def validated(self) -> set[int]:
        """The samples that it was called with and did not train on."""
        return self.seen - self.trained


@rule(
    "no fold of a cross-validation is validated with samples that its network was trained on",
    stays_quiet="unless one network is validated in turn with small parts of its training samples, "
    "each time after a training with all others, which began with weights of the fold before",
)
def network_shared_by_folds(evidence: Evidence) -> Iterator[Finding]:
    """Find a network that is constructed before the loop over the folds."""
    contents = {p: set(p.rows) for p in evidence.record.passes if p.rows}
    positions = positions_of_passes(evidence, parts_by_position(evidence))
    for network in {id(p.network): p.network for p in contents}.values():
        every = (
            _shared(_turns(evidence, network, samples, passes))
            for samples in (contents, positions)
            for passes in _without_gap(evidence)
        )
        held_out = next((folds for folds in every if folds), None)
        if held_out is not None:
            yield _finding(evidence, network, held_out)


def _finding(evidence: Evidence, network: ref[nn.Module], folds: list[Fold]) -> Finding:
    last = folds[-1]
    known = last.validated & _trained(folds[:-1])
    built = next((c for c in evidence.record.constructions if c.object is network), None)
    places = built.places if built else last.passes[0].places
    return Finding(
        kind="data/random_split_twice",
        message="the folds of a cross-validation train one network, one after the other",
        evidence=f"{len(known)} of the {len(last.validated)} samples of the last of "
        f"{len(folds)} validations were trained on in an earlier fold, and the parameters "
        "were not initialized since",
        violates=(Law.SPLITS_DISJOINT,),
        cause=location(places),
        symptom=location(last.passes[0].places),
        subject=places[0].text if places else "",
        cases=("data/random_split_twice",),
        confidence=7,
    )


def _without_gap(evidence: Evidence) -> Iterator[list[ForwardPass]]:
    """Yield the passes that are kept, in parts between which none was pushed out."""
    passes = list(evidence.record.passes)
    at = evidence.record.passes.omitted_after if evidence.record.passes.omitted else 0
    yield from (part for part in (passes[:at], passes[at:]) if part)


def _shared(turns: list[Fold]) -> list[Fold]:
    """Return the folds that one network was trained in without a new beginning, if any were.

    Samples that it never trains on, as those of a test, are left aside.
    """
    every = _trained(turns)
    for turn in turns:
        turn.seen &= every
    held_out = [fold for fold in _merged(turns) if _is_fold(fold, every)]
    if len(held_out) < 2 or not _are_continued(held_out):  # noqa: PLR2004  (one earlier)
        return []
    first, last = held_out[0], held_out[-1]
    known = last.validated & _trained(held_out[:-1])
    if first.validated & last.validated or len(known) < NEARLY_ALL * len(last.validated):
        return []
    is_clean = not any(fold.seen & fold.trained for fold in held_out)
    return held_out if is_clean or _is_partition(held_out, every) else []


def _is_partition(folds: list[Fold], every: set[int]) -> bool:
    """Return whether each sample was left out once.

    If a network is called with its training samples too, what was left out may only have been
    dropped with the last batch of an epoch.
    """
    left_out = [sample for fold in folds for sample in fold.validated]
    return NEARLY_ALL * len(every) <= len(left_out) == len(set(left_out))


def _turns(
    evidence: Evidence, network: ref[nn.Module], samples: Samples, passes: list[ForwardPass]
) -> list[Fold]:
    """Return what a network trained on and was called with afterwards, in turns."""
    turns: list[Fold] = []
    training = False
    trained_on = passes_trained_on(evidence)
    for forward in passes:
        if forward.network is not network or forward not in samples:
            continue
        trains = forward in trained_on
        if trains and not training:
            turns.append(Fold(weights=forward.weights))
        training = trains
        if trains:
            turns[-1].trained |= samples[forward]
        elif turns:
            turns[-1].seen |= samples[forward]
            turns[-1].passes.append(forward)
    return turns


def _merged(turns: list[Fold]) -> list[Fold]:
    """Return the folds: turns that are validated with the same samples are epochs of one."""
    folds: list[Fold] = []
    for turn in turns:
        if folds and (folds[-1].validated == turn.validated or not folds[-1].validated):
            folds[-1].trained |= turn.trained
            folds[-1].seen |= turn.seen
            folds[-1].passes += turn.passes
        else:
            folds.append(turn)
    return folds


def _trained(folds: list[Fold]) -> set[int]:
    return {row for fold in folds for row in fold.trained}


def _is_fold(fold: Fold, every: set[int]) -> bool:
    """Return whether a part of all training samples was left out, and validated with."""
    rest = every - fold.validated
    left_out = 0 < len(fold.validated) < len(fold.trained)
    return left_out and len(fold.trained) >= max(SAMPLES, NEARLY_ALL * len(rest))


def _are_continued(folds: list[Fold]) -> bool:
    """Return whether each fold begins with weights that the fold before was validated with."""
    return all(
        later.weights != 0 and later.weights in {one.weights for one in earlier.passes}
        for earlier, later in pairwise(folds)
    )
