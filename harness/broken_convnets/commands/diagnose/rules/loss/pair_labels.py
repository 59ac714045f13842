"""The label of a pair means the same to the dataset and to the contrastive loss."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.pair_likeness import read_pairs, share_nearer
from broken_convnets.commands.diagnose.rules.data.samples import Samples
from broken_convnets.commands.diagnose.rules.loss.pair_weights import pair_losses
from broken_convnets.commands.diagnose.sites import candidates, location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.rules.loss.pair_weights import Factor, PairLoss
    from broken_convnets.observe.recorder.loaders import Loader
    from broken_convnets.observe.recorder.values import Value

CHANCE = 1e-6  # of a difference by noise alone
NEARER = 0.75  # of the cases: the pairs that are pushed apart are nearer
KIN = 0.7  # of the cases: a picture is nearer to its partner than to other pictures
STRANGERS = (0.3, 0.6)  # of the cases: it has nothing to do with its partner


@rule(
    "the pairs that a contrastive loss pulls together are those that show the same",
    stays_quiet="unless a loader reads two pictures and a label of 0 or 1, the label alone "
    "decides between distance and margin, and the pixels show which pairs are alike",
)
def pair_label_means_the_opposite(evidence: Evidence) -> Iterator[Finding]:
    """Find a loss that pulls the pairs of unlike pictures together."""
    require_success(evidence)
    seen: set[Loader] = set()
    for loss in pair_losses(evidence):
        loader = _loader_of(evidence, loss.label)
        if loader is None or loader in seen or _collates(evidence, loader):
            continue
        seen.add(loader)
        shown = _unlike_pairs(evidence, loader, loss.pulled)
        if shown:
            yield _finding(evidence, loader, loss, shown)
            return


def _loader_of(evidence: Evidence, label: Value) -> Loader | None:
    """Return the loader that a label comes from, if a batch has only one such tensor."""
    for loader in evidence.record.loaders:
        for batch in (one for epoch in loader.epochs for one in epoch.values):
            if any(value is label for value in batch):
                labels = [one for one in batch if len(one.shape) <= 2]  # noqa: PLR2004  (of shape (N,) or (N, 1))
                return loader if len(labels) == 1 else None
    return None


def _collates(evidence: Evidence, loader: Loader) -> bool:
    """Return whether a function of the user's makes the batches, which may change the labels."""
    built = [one for one in evidence.record.constructions if one.kind == "loader"]
    return any(
        one.places == loader.places and one.arguments.get("collate_fn") is not None for one in built
    )


def _unlike_pairs(evidence: Evidence, loader: Loader, pulled: int) -> str:
    """Return how much less alike the pairs of one label are; empty unless that is certain."""
    samples, length = Samples.of(evidence, loader), loader.dataset.length or 0
    pairs = read_pairs(samples, length) if samples else None
    if pairs is None:
        return ""
    together, apart = pairs[pulled], pairs[1 - pulled]
    share, chance = share_nearer(apart, together)
    low, high = STRANGERS
    if share < NEARER or chance > CHANCE or apart.kinship() < KIN:
        return ""
    if not (low <= together.kinship() <= high and together.division() <= high):
        return ""
    means = [float(one.distances.mean()) for one in (together, apart)]
    return (
        f"of {sum(len(one.first) for one in pairs)} pairs of the dataset, those with label "
        f"{pulled}, which it pulls together, differ by {means[0]:.3g} per pixel, and those with "
        f"label {1 - pulled} by {means[1]:.3g}, less in {share:.0%} of the comparisons"
    )


def _finding(evidence: Evidence, loader: Loader, loss: PairLoss, shown: str) -> Finding:
    return Finding(
        kind="loss/triplet_mining",
        message="the loss pulls the pairs of unlike pictures together, and pushes those of alike "
        f"ones apart: a label of {loss.pulled} means the opposite in {loader.type}",
        evidence=shown,
        cause=location(loss.near.operator.places),
        subject=loader.type,
        cases=("loss/hardest_negative_is_the_anchor",),
        candidates=_exchanged(evidence, loss),
        confidence=7,
    )


def _exchanged(evidence: Evidence, loss: PairLoss) -> tuple[Candidate, ...]:
    """Return the change that exchanges the two factors."""
    places = loss.near.operator.places
    source = evidence.source(places[0].file) if places else None
    near, far = _syntax(evidence, loss.near), _syntax(evidence, loss.far)
    if source is None or near is None or far is None:
        return ()
    change = [(near, source.text_of(far)), (far, source.text_of(near))]
    return candidates((0, partial(edits.replace, source, change)))


def _syntax(evidence: Evidence, factor: Factor) -> ast.expr | None:
    """Return the expression of a factor in the product that it is a part of."""
    operator = factor.operator
    source = evidence.source(operator.places[0].file) if operator.places else None
    product = source.expression_at(operator.places[0]) if source else None
    if not isinstance(product, ast.BinOp) or not isinstance(product.op, ast.Mult):
        return None
    return product.right if operator.inputs[0].requires_grad else product.left
