"""Judge the runs of a healthy program and of a broken one: what they declare, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.wild.store import BrokenCheck, OriginalCheck
from broken_convnets.corpus.spec import Broken, Healthy
from broken_convnets.corpus.symptom_rules import NON_FINITE
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.verdicts.declared_laws import violated_laws
from broken_convnets.verdicts.judge import disagreement
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.wild.faults.registry import Fault
    from broken_convnets.observe.facts import ExceptionInfo, Layer, Observation, Run

WITHOUT_PARAMETERS = (
    "AdaptiveAvgPool",
    "AvgPool",
    "Dropout",
    "Flatten",
    "GELU",
    "Hard",
    "Identity",
    "MaxPool",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "StochasticDepth",
)
MESSAGE_LIMIT = 200  # characters of a declared message


def original_check(runs: Sequence[Run], lines: list[int]) -> OriginalCheck:
    """Return what a healthy program declares; its runs must agree and obey every law."""
    reason = _unusable(runs)
    first = runs[0].answer
    if reason or first is None or first.given is None:
        raised = f"original raises: {first.raised.message}" if first and first.raised else ""
        return OriginalCheck(reason or raised or "original has no inputs")
    healthy = Healthy(
        output=first.output or "", inputs=first.given.inputs, parameters=first.given.parameters
    )
    for run in runs:
        violated = violated_laws(healthy, run.answer) if run.answer else set()
        if violated:
            return OriginalCheck(f"original violates {', '.join(sorted(violated))}")
    return OriginalCheck(healthy=healthy, lines=lines, same_shape=_same_shape(first.layers))


def _same_shape(layers: Sequence[Layer]) -> list[str]:
    """Return the names of layers that always return the shape of their input.

    Layers without parameters are left out: a network learns without them too.
    """
    fits: dict[str, bool] = {}
    for layer in layers:
        name = layer.path.rpartition(".")[2]
        same = layer.inputs == layer.output and not layer.type.startswith(WITHOUT_PARAMETERS)
        fits[name] = fits.get(name, True) and same
    return sorted(name for name, fit in fits.items() if fit)


def broken_check(fault: Fault, healthy: Healthy, runs: Sequence[Run]) -> BrokenCheck:
    """Return how a broken program fails; it must fail as its fault class says."""
    reason = _unusable(runs)
    seen = runs[0].answer
    if reason or seen is None:
        return BrokenCheck(reason)
    if fault.silent:
        return _silent(fault, healthy, seen)
    return _loud(fault, seen.raised)


def _loud(fault: Fault, raised: ExceptionInfo | None) -> BrokenCheck:
    if raised is None:
        return BrokenCheck("no failure: it raises nothing")
    if raised.type not in fault.raises:
        return BrokenCheck(f"other failure: {raised.type}: {raised.message[:MESSAGE_LIMIT]}")
    message = raised.message.strip().partition("\n")[0][:MESSAGE_LIMIT]
    if not message or not raised.expression:
        return BrokenCheck("other failure: no message, or no expression that raises")
    return BrokenCheck(
        broken=Broken(
            stage=raised.stage,
            raises=raised.type,
            message=message,
            expression=raised.expression,
            layer=raised.layer or None,
        )
    )


def _silent(fault: Fault, healthy: Healthy, seen: Observation) -> BrokenCheck:
    if seen.raised:
        return BrokenCheck(f"other failure: {seen.raised.type}: {seen.raised.message[:100]}")
    violated = violated_laws(healthy, seen)
    if not fault.violates <= violated:
        missing = ", ".join(sorted(fault.violates - violated))
        return BrokenCheck(f"no failure: it does not violate {missing}")
    broken = Broken(stage=Stage.SILENT, violates=frozenset(violated))
    return BrokenCheck(broken=broken, non_finite=NON_FINITE in (seen.output or ""))


def _unusable(runs: Sequence[Run]) -> str:
    for run in runs:
        if run.answer is None:
            ended = "timeout" if run.status is JobStatus.TIMEOUT else "crash"
            return f"{ended}: {run.detail}"
    return "flaky: two runs differ" if disagreement("this", runs) else ""
