"""The mean of a Kullback-Leibler divergence is over the samples, and not over the classes too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.places import Place

# Positions of `reduction` in F.kl_div(input, target, size_average, reduce, reduction) and in
# nn.KLDivLoss(size_average, reduce, reduction).
IN_CALL, IN_LAYER = 4, 2
OLD = ("size_average", "reduce", 2, 3)  # arguments that `reduction` replaces
LAYER = "KLDivLoss"
SCALINGS = frozenset({"mul", "mul_", "__mul__", "__rmul__"})
STEPS = 3  # scalings of a loss, by a temperature and a weight, that are followed


@rule(
    "kl_div averages over the samples of a batch, and sums over the classes",
    stays_quiet="about other reductions, arguments that are not distributions, losses that no "
    "backward pass depends on, and means that are multiplied by the number of classes",
)
def divergence_averaged_over_classes(evidence: Evidence) -> Iterator[Finding]:
    """Find `reduction="mean"`, the default, which torch documents as not the KL divergence."""
    for calls in by_place(evidence, "kl_div"):
        call = calls[0]
        if not all(_is_mean_of_divergences(evidence, one) for one in calls):
            continue
        classes = call.input.classes
        places = _reduction_places(evidence, call)
        yield Finding(
            kind="loss/kl_div_reduction",
            message='kl_div divides by the number of classes too: its reduction is "mean"',
            evidence=f"the input is {list(call.input.shape)}, so the loss and its gradients are "
            f"{classes} times smaller than the divergence; the documentation of torch asks for "
            '"batchmean"',
            violates=(Law.NO_WARNINGS,),
            cause=location(places),
            symptom=location(call.operator.places),
            subject=call.operator.places[0].text,
            cases=("loss/kl_div_mean_reduction",),
            candidates=_batch_mean(evidence, places),
            confidence=7,
        )


def _is_mean_of_divergences(evidence: Evidence, call: LossCall) -> bool:
    operator = call.operator
    literals = operator.literals
    if literals.get("reduction", literals.get(IN_CALL, "mean")) != "mean":
        return False
    if any(literals.get(name) is not None for name in OLD):
        return False
    rows = len(call.input.shape) == 2 and call.input.shape == call.target.shape  # noqa: PLR2004  (samples, classes)
    distributions = rows and call.input.log_probabilities and call.target.probabilities
    trained = any(value in evidence.flow.reaching_backward for value in operator.outputs)
    return distributions and trained and not _is_scaled_back(evidence, call)


def _is_scaled_back(evidence: Evidence, call: LossCall) -> bool:
    """Return whether the mean is multiplied by the number of classes, or by an unknown factor."""
    values = set(call.operator.outputs)
    for _ in range(STEPS):
        scalings = [o for value in values for o in evidence.flow.consumers(value)]
        scalings = [o for o in scalings if o.name in SCALINGS]
        if any(call.input.classes in o.literals.values() for o in scalings):
            return True
        values = {output for o in scalings for output in o.outputs}
    return False


def _reduction_places(evidence: Evidence, call: LossCall) -> Sequence[Place]:
    """Return where the layer is constructed, if it is one, else where the function is called."""
    if call.operator.layer == LAYER:
        built = evidence.record.construction_of(call.operator)
        if built is not None:
            return built.places
    return call.operator.places


def _batch_mean(evidence: Evidence, places: Sequence[Place]) -> tuple[Candidate, ...]:
    site = site_of(evidence, places)
    if site is None:
        return ()
    position = IN_LAYER if site.called.endswith(LAYER) else IN_CALL
    change = partial(
        edits.set_argument, site.source, site.call, "reduction", position, '"batchmean"'
    )
    return candidates((0, change))
