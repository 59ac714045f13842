"""Weights that were pruned stay 0 while their mask is there: training without it changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator, Parameter

SET = "__set__ data"
FEW = 0.01  # share of zeros that are left


@rule(
    "pruned weights are not trained after their mask was removed",
    stays_quiet="unless no zeros are left at the end, and about masks that the program applies",
)
def trained_without_mask(evidence: Evidence) -> Iterator[Finding]:
    """Find `prune.remove()` before training that goes on."""
    require_success(evidence)
    for operator in evidence.record.operators:
        parameter = _unmasked(evidence, operator) if operator.name == SET else None
        steps = _steps_after(evidence, operator, parameter) if parameter else 0
        weight = _now(evidence, parameter) if parameter and steps else None
        if parameter is None or weight is None:
            continue
        zeros = int((weight == 0).sum())
        if zeros > FEW * weight.numel():
            continue
        yield Finding(
            kind="training/frozen_layers",
            message=f"{operator.places[0].text} removes the mask, and training goes on: the pruned "
            "weights are not 0 any more",
            evidence=f"{steps} optimizer steps change {parameter.name} after it, and at the end "
            f"{zeros} of its {weight.numel()} elements are 0; call it after the last step",
            severity=Severity.WARNING,
            cause=location(operator.places),
            subject=parameter.name,
            confidence=6,
        )
        return


def _unmasked(evidence: Evidence, operator: Operator) -> Parameter | None:
    """Return the parameter that torch.nn.utils.prune.remove sets to its masked values."""
    site = site_of(evidence, operator.places)
    if site is None or not site.called.endswith("remove") or len(operator.inputs) != 2:  # noqa: PLR2004  (parameter, data)
        return None
    data = evidence.record.producer(operator.inputs[1])
    product = evidence.record.producer(data.inputs[0]) if data and data.inputs else None
    if product is None or product.name != "mul" or operator.inputs[0] not in product.inputs:
        return None
    known = evidence.record.parameters
    return next((one for one in known if operator.inputs[0] in one.values), None)


def _steps_after(evidence: Evidence, operator: Operator, parameter: Parameter) -> int:
    """Return how many optimizer steps change a parameter after an operator."""
    return sum(
        step.moment.operators > operator.number and parameter.number in step.changed
        for step in evidence.record.optimizer_steps
    )


def _now(evidence: Evidence, parameter: Parameter) -> torch.Tensor | None:
    """Return what a parameter is at the end."""
    for network in evidence.record.kept_networks:
        found = dict(network.named_parameters()).get(parameter.name)
        if found is not None and tuple(found.shape) == parameter.shape:
            return found.detach()
    return None
