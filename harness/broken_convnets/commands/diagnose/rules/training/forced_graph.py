"""A loss gets its graph from the parameters, not from requires_grad_()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.dataflow import is_cut
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.autograd.no_graph import nearest_cut
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator


@rule(
    "a loss that backward() starts from has a graph of its own",
    stays_quiet="unless requires_grad_() was called on the loss, and its backward pass changes no "
    "gradient",
)
def graph_forced_on_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find requires_grad_() on a loss that was computed from decisions, such as `scores > 0`."""
    require_success(evidence)
    for backward in evidence.record.backward_passes:
        forced = _forced(evidence, backward)
        cut = nearest_cut(evidence, backward.roots) if forced else None
        if forced is None or cut is None or not cut.inputs or not cut.places:
            continue
        yield Finding(
            kind="training/graph_detached",
            message=f"the loss has no graph, since {cut.name} has no gradient: requires_grad_() "
            "hides the error, and nothing learns",
            evidence=f"the input of {cut.places[0].text} requires gradients, and its result does "
            "not; backward() changes the gradient of no parameter",
            violates=(Law.EVERY_PARAMETER_MOVES, Law.ONE_BATCH_CAN_BE_LEARNED),
            cause=location(cut.places),
            symptom=location(forced.places),
            subject=cut.places[0].text,
            cases=("training/loss_on_argmax",),
            confidence=9,
        )
        return


def _forced(evidence: Evidence, backward: BackwardPass) -> Operator | None:
    """Return the requires_grad_() on the only root of a backward pass that reaches nothing."""
    if backward.received or len(backward.roots) != 1:
        return None
    (root,) = backward.roots
    maker = evidence.record.producer(root)
    if maker is None or is_cut(maker) or not evidence.flow.depends_on_network(root):
        return None
    users = evidence.flow.consumers(root)
    return next((one for one in users if one.name == "requires_grad_" and one.places), None)
