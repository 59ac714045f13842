"""Dimensions are exchanged by permute and transpose, and not by view and reshape."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator

    Shape = tuple[int, ...]


@rule(
    "view and reshape are not used to exchange dimensions",
    stays_quiet="unless the new shape has exactly the old sizes in another order, of a tensor that "
    "requires gradients",
)
def reshape_as_transpose(evidence: Evidence) -> Iterator[Finding]:
    """Find `x.view(batch, channels, length)` of a tensor of shape [batch, length, channels]."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in {"view", "reshape"} or not operator.places or not operator.outputs:
            continue
        before, after = operator.inputs[0].shape, operator.outputs[0].shape
        order = exchanged(before, after)
        if not order or operator.places[0] in seen or not operator.outputs[0].requires_grad:
            continue
        seen.add(operator.places[0])
        loss = any(o.name == "cross_entropy" for o in evidence.flow.consumers(operator.outputs[0]))
        yield Finding(
            kind="loss/target_shape_segmentation" if loss else "shape/nhwc_input",
            message=f"{operator.name} does not exchange dimensions: it keeps the order of the "
            "numbers in memory, and cuts it into other rows",
            evidence=f"{operator.places[0].text} turns {list(before)} into {list(after)}; "
            f"permute{order} does it without mixing",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,) if loss else (),
            cause=location(operator.places),
            subject=operator.places[0].text,
            candidates=_permuted(evidence, operator, order),
            confidence=7,
        )


def exchanged(before: Shape, after: Shape) -> tuple[int, ...]:
    """Return the order of dimensions that leads from one shape to another; empty if unclear.

    The first dimension stays, and at least two others, larger than 1, change their places.
    """
    if len(before) != len(after) or before == after or before[:1] != after[:1]:
        return ()
    if sorted(before) != sorted(after) or len(set(before[1:])) != len(before[1:]):
        return ()
    order = (0, *(1 + before[1:].index(size) for size in after[1:]))
    moved = [before[i] for i, j in enumerate(order) if i != j]
    return order if moved and min(moved) > 1 else ()


def _permuted(
    evidence: Evidence, operator: Operator, order: tuple[int, ...]
) -> tuple[Candidate, ...]:
    site = site_of(evidence, operator.places)
    inner = applied_to(site.call, operator.name) if site else None
    if site is None or inner is None:
        return ()
    new = f"{site.source.owner_text(inner)}.permute({', '.join(map(str, order))})"
    return candidates((0, partial(edits.replace, site.source, [(site.call, new)])))
