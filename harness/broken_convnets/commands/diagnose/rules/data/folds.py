"""The folds of a cross-validation do not share a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator
    from weakref import ref

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass

SAMPLES = 8  # of a fold's training, at least
NEARLY_ALL = 0.9  # the rest was dropped with the last batch of an epoch


@dataclass
class Fold:
    """Samples that a network trained on, and the other samples that it was validated with."""

    trained: set[int] = field(default_factory=set)
    validated: set[int] = field(default_factory=set)
    weights: int = 0  # of the network when it began
    passes: list[ForwardPass] = field(default_factory=list)  # of the validation


@rule(
    "no fold of a cross-validation is validated with samples that its network was trained on",
    stays_quiet="unless one network is validated in turn with small parts of its training samples, "
    "each time after a training with all others, which began with weights of the fold before",
)
def network_shared_by_folds(evidence: Evidence) -> Iterator[Finding]:
    """Find a network that is constructed before the loop over the folds."""
    if evidence.record.passes.omitted or evidence.record.operators.omitted:
        return
    for network in {id(p.network): p.network for p in evidence.record.passes if p.rows}.values():
        folds = _folds(evidence, network)
        every = _trained(folds)
        held_out = [fold for fold in folds if _is_fold(fold, every)]
        if len(held_out) < 2 or not _are_continued(held_out):  # noqa: PLR2004  (one earlier)
            continue
        first, last = held_out[0], held_out[-1]
        known = last.validated & _trained(held_out[:-1])
        if first.validated & last.validated or len(known) < NEARLY_ALL * len(last.validated):
            continue
        built = next((c for c in evidence.record.constructions if c.object is network), None)
        places = built.places if built else last.passes[0].places
        yield Finding(
            rule="network_shared_by_folds",
            kind="data/random_split_twice",
            message="the folds of a cross-validation train one network, one after the other",
            evidence=f"{len(known)} of the {len(last.validated)} samples of the last of "
            f"{len(held_out)} validations were trained on in an earlier fold, and the parameters "
            "were not initialized since",
            violates=(Law.SPLITS_DISJOINT,),
            cause=location(places),
            symptom=location(last.passes[0].places),
            subject=places[0].text if places else "",
            cases=("data/random_split_twice",),
            confidence=7,
        )


def _folds(evidence: Evidence, network: ref[nn.Module]) -> list[Fold]:
    """Return what a network trained on and was validated with, in turns.

    Turns that are validated with the same samples are the epochs of one fold.
    """
    turns: list[Fold] = []
    training = False
    for forward in evidence.record.passes:
        if forward.network is not network or not forward.rows:
            continue
        trains = forward.grad_enabled and evidence.flow.is_in_loss(forward)
        if trains and not training:
            turns.append(Fold(weights=forward.weights))
        training = trains
        if trains:
            turns[-1].trained.update(forward.rows)
        elif turns:
            turns[-1].validated.update(forward.rows)
            turns[-1].passes.append(forward)
    return _merged(turns)


def _merged(turns: list[Fold]) -> list[Fold]:
    folds: list[Fold] = []
    for turn in turns:
        if folds and (folds[-1].validated == turn.validated or not folds[-1].validated):
            folds[-1].trained |= turn.trained
            folds[-1].validated |= turn.validated
            folds[-1].passes += turn.passes
        else:
            folds.append(turn)
    return folds


def _trained(folds: list[Fold]) -> set[int]:
    return {row for fold in folds for row in fold.trained}


def _is_fold(fold: Fold, every: set[int]) -> bool:
    """Return whether a part of all training samples was left out, and validated with."""
    rest = every - fold.validated
    left_out = 0 < len(fold.validated) < len(fold.trained) and not fold.validated & fold.trained
    enough = len(fold.trained) >= max(SAMPLES, NEARLY_ALL * len(rest))
    return left_out and fold.validated <= every and enough


def _are_continued(folds: list[Fold]) -> bool:
    """Return whether each fold begins with weights that the fold before was validated with."""
    return all(
        later.weights != 0 and later.weights in {one.weights for one in earlier.passes}
        for earlier, later in pairwise(folds)
    )
