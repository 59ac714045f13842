"""Embeddings are normalized along their features before they are compared."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator

PRODUCTS = frozenset({"matmul", "mm", "__matmul__"})
ROWS = 2  # dimensions of a batch of embeddings


@rule(
    "embeddings that are compared are normalized along their features",
    stays_quiet="about normalized values that are not multiplied by the transpose of others, row "
    "by row",
)
def embeddings_normalized_over_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find `F.normalize(z, dim=0)` before `z @ z.T`, whose results are no cosines then."""
    for operator in evidence.record.operators:
        if not _is_over_samples(operator) or not _compared(evidence, operator):
            continue
        site, value = site_of(evidence, operator.places), operator.outputs[0]
        text = operator.places[0].text
        along = partial(edits.set_argument, site.source, site.call, "dim", 2, "1") if site else None
        yield Finding(
            kind="loss/softmax_dimension",
            message=f"{text} normalizes over the {value.shape[0]} samples, not over the "
            f"{value.shape[1]} features of each one",
            evidence="the products of its rows are not cosine similarities, and depend on "
            "the other samples of the batch",
            cause=location(operator.places),
            subject=text,
            candidates=candidates((0, along)) if along else (),
            confidence=8,
        )
        return


def _is_over_samples(operator: Operator) -> bool:
    if operator.name != "normalize" or not operator.places or len(operator.outputs) != 1:
        return False
    rows = len(operator.outputs[0].shape) == ROWS and operator.outputs[0].requires_grad
    position = operator.literals.get("dim", operator.literals.get(2))
    return rows and position in {0, -ROWS}


def _compared(evidence: Evidence, normalized: Operator) -> bool:
    """Return whether the rows are multiplied with those of other values that are no parameters."""
    value = normalized.outputs[0]
    for product in evidence.record.operators:
        if product.name in PRODUCTS and len(product.inputs) == ROWS and product.inputs[0] is value:
            made = evidence.record.producer(product.inputs[1])
            if made is not None and made.inputs and not made.inputs[0].parameter:
                return made.inputs[0].shape == product.inputs[1].shape[::-1]
    return False
