"""Rules: operands of an addition or a product have equal sizes, and so have tensors to join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.operand_changes import explain
from broken_convnets.commands.diagnose.analysis.sizes.operands import Operands, operands_of
from broken_convnets.commands.diagnose.analysis.sizes.wording import shape
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence


@rule(
    "tensors that are added, multiplied or joined have sizes that fit",
    stays_quiet="about losses, which have a rule of their own",
)
def operands_have_other_sizes(evidence: Evidence) -> Iterator[Finding]:
    """Compare the two operands of the operator that raised, and the layers that lead to each."""
    failed = failed_call(evidence)
    found = operands_of(evidence, failed) if failed else None
    if failed is None or found is None:
        return
    why = explain(found)
    left, right = found.texts
    yield Finding(
        kind=why.kind,
        message=(
            f"`{left}` is {shape(found.left)} and `{right}` is {shape(found.right)}: "
            f"{_where(found)}"
        ),
        evidence=why.text,
        cause=why.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=why.cases,
        candidates=why.candidates,
        confidence=8,
    )


def _where(found: Operands) -> str:
    if len(found.left.shape) != len(found.right.shape):
        return "they have different numbers of dimensions"
    axes = ", ".join(map(str, found.axes))
    return f"they differ in dimension {axes}" if axes else "they do not fit"
