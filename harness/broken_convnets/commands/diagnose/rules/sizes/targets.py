"""Rule: the output of a network and the target of a loss have shapes that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.class_targets import class_explanations
from broken_convnets.commands.diagnose.analysis.sizes.equal_targets import equal_explanations
from broken_convnets.commands.diagnose.analysis.sizes.losses import CLASSES, failed_loss
from broken_convnets.commands.diagnose.analysis.sizes.wording import shape
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence


@rule(
    "outputs and targets have the shapes that their loss needs",
    stays_quiet="about targets of a wrong type, and class labels with a second dimension, which "
    "have rules of their own",
)
def target_has_other_shape(evidence: Evidence) -> Iterator[Finding]:
    """Compare the shapes of the two tensors that a loss received."""
    failed = failed_call(evidence)
    found = failed_loss(evidence, failed) if failed else None
    if failed is None or found is None:
        return
    explanations = class_explanations if found.name in CLASSES else equal_explanations
    why = next(explanations(found), None)
    if why is None:
        return
    output, target = found.texts
    yield Finding(
        kind=why.kind,
        message=f"{found.name} receives `{output}` {shape(found.output)} and `{target}` "
        f"{shape(found.target)}, which do not fit",
        evidence=why.text,
        cause=why.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=why.cases,
        candidates=why.candidates,
        confidence=8,
    )
