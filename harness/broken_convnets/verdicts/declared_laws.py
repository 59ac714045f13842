"""Which laws a run violates: those that were judged, and those of the declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.corpus.spec import Healthy
    from broken_convnets.observe.facts import InputSummary, Observation

CHANNEL_TOLERANCE = 0.05


def violated_laws(declared: Healthy, seen: Observation) -> set[Law]:
    """Return the laws that a run violates, including the declared output."""
    broken = {law for law, finding in seen.laws.items() if finding.holds is False}
    return broken | set(against(declared, seen))


def against(declared: Healthy, seen: Observation) -> dict[Law, str]:
    """Return the "as declared" laws that are violated, with what was observed instead."""
    wrong = {}
    if seen.output != declared.output:
        wrong[Law.OUTPUT_AS_DECLARED] = f"declared {declared.output}, got {seen.output}"
    given = seen.given
    if given is None:
        return wrong
    if declared.parameters not in {None, given.parameters}:
        counts = f"declared {declared.parameters}, got {given.parameters}"
        wrong[Law.PARAMETERS_AS_DECLARED] = counts
    inputs = _inputs_against(declared, given)
    return wrong | ({Law.INPUTS_AS_DECLARED: inputs} if inputs else {})


def _inputs_against(declared: Healthy, given: InputSummary) -> str:
    if declared.inputs not in {None, given.inputs}:
        return f"declared {declared.inputs}, got {given.inputs}"
    if declared.range:
        low, high = declared.range
        inside = low - 1e-6 <= given.low and given.high <= high + 1e-6
        if not inside or given.high - given.low < (high - low) / 2:
            return f"declared {low:g} to {high:g}, got {given.low:.3g} to {given.high:.3g}"
    if declared.channels is not None:
        means = [round(mean, 2) for mean in given.channels]
        differ = [
            abs(a - b) > CHANNEL_TOLERANCE for a, b in zip(declared.channels, means, strict=False)
        ]
        if len(means) != len(declared.channels) or any(differ):
            return f"declared channels of {declared.channels}, got {means}"
    return ""
