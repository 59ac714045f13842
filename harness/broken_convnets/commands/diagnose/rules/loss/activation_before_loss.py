"""Losses that apply an activation themselves receive logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import (
    producer,
    removal_of,
    removals,
    renamed,
    shown,
    with_logarithm,
)
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator

# The activations that are wrong before a loss, by the loss.
WRONG_BEFORE = {
    "cross_entropy": ("softmax", "sigmoid", "tanh", "relu"),
    "binary_cross_entropy_with_logits": ("sigmoid", "softmax", "tanh", "relu"),
}
OWN = {"cross_entropy": "log_softmax", "binary_cross_entropy_with_logits": "a sigmoid"}
HALF = (0.5,)


@dataclass(frozen=True)
class Bounded:
    """A loss that receives the output of an activation, at one place."""

    calls: list[LossCall]
    activation: Operator

    @property
    def first(self) -> LossCall:
        """The first call."""
        return self.calls[0]


@rule(
    "cross_entropy and binary_cross_entropy_with_logits receive logits",
    stays_quiet="about activations whose results are scaled or shifted before the loss",
)
def activation_before_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find a softmax or sigmoid directly before a loss that applies its own."""
    seen: set[object] = set()
    for found in _bounded_losses(evidence):
        places = removal_of(evidence, found.activation)
        if not places or (found.first.name, places[0]) in seen:
            continue
        seen.add((found.first.name, places[0]))
        call, name = found.first, found.activation.name.rstrip("_")
        yield Finding(
            kind="module/relu_on_the_output" if name == "relu" else "training/softmax_before_ce",
            message=_message(call.name, name),
            evidence=f"{call.name} at {shown(call.operator.places)} receives values from "
            f"{call.input.minimum:.3g} to {call.input.maximum:.3g} ({_calls(found.calls)}), from "
            f"{name} at {shown(places)}{_floor(call)}",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(places),
            symptom=location(call.operator.places),
            subject=f"{call.name} after {name}",
            cases=_cases(call.name),
            candidates=_fixes(evidence, found),
            confidence=9,
        )


def _bounded_losses(evidence: Evidence) -> Iterator[Bounded]:
    """Yield the losses whose every call at one place receives the output of one activation."""
    groups: dict[object, list[LossCall]] = {}
    for call in evidence.record.losses:
        if call.name in WRONG_BEFORE:
            groups.setdefault((call.name, call.operator.place), []).append(call)
    for calls in groups.values():
        makers = [producer(evidence, call.operator.inputs[0]) for call in calls]
        by_place: dict[object, list[tuple[LossCall, Operator]]] = {}
        for call, maker in zip(calls, makers, strict=True):
            if maker is not None and _is_wrong(call, maker):
                by_place.setdefault(maker.place, []).append((call, maker))
        for pairs in by_place.values():
            yield Bounded([call for call, _ in pairs], pairs[0][1])


def _is_wrong(call: LossCall, maker: Operator) -> bool:
    name = maker.name.rstrip("_")
    return name in WRONG_BEFORE[call.name] and call.input.classes > 0


def _message(loss: str, activation: str) -> str:
    if activation == "relu":
        return f"relu is applied to the scores of {loss}: no score can fall below 0"
    return f"{loss} receives the output of {activation}, and applies {OWN[loss]} itself"


def _calls(calls: list[LossCall]) -> str:
    return "1 call" if len(calls) == 1 else f"all {len(calls)} calls that were read"


def _floor(call: LossCall) -> str:
    """Return the least value that the loss can reach with scores in the range of the activation."""
    classes = call.input.classes
    hard = not call.target.dtype.is_floating_point
    if call.name != "cross_entropy" or call.input.maximum > 1 or not hard or classes < 2:  # noqa: PLR2004  (one class has no loss)
        return ""
    spread = 2 if call.input.minimum < 0 else 1
    least = math.log(1 + (classes - 1) * math.exp(-spread))
    return f"; so it cannot fall below {least:.3g}, however well the network learns"


def _cases(loss: str) -> tuple[str, ...]:
    if loss == "cross_entropy":
        return ("loss/softmax_before_cross_entropy",)
    return ("loss/sigmoid_before_bce_with_logits",)


def _fixes(evidence: Evidence, found: Bounded) -> tuple[Candidate, ...]:
    loss, name = found.first.operator, found.activation.name.rstrip("_")
    if found.first.name == "cross_entropy" and name == "softmax":
        # whoever else uses the probabilities, for sampling, still receives them
        logarithm = with_logarithm(evidence, loss)
        return candidates(*removals(evidence, found.activation), *logarithm)
    if found.first.name == "cross_entropy" or name != "sigmoid":
        return candidates(*removals(evidence, found.activation))
    other = renamed(evidence, loss, "binary_cross_entropy", "BCELoss")
    if _is_thresholded(evidence, found.activation):  # 0.5 is right for probabilities alone
        return candidates(*other, *removals(evidence, found.activation, 2))
    removed = removals(evidence, found.activation)
    return candidates(*removed, *((1 + rank, attempt) for rank, attempt in other))


def _is_thresholded(evidence: Evidence, activation: Operator) -> bool:
    """Return whether the program compares outputs of the activation with one half, or rounds."""
    outputs = [
        value
        for operator in evidence.record.operators
        if operator.name == activation.name and operator.place == activation.place
        for value in operator.outputs
    ]
    used = (
        o for value in evidence.flow.descendants(outputs) for o in evidence.flow.consumers(value)
    )
    return any(
        o.name in {"round", "round_"}
        or (o.name in {"gt", "ge", "__gt__", "__ge__", "lt", "le"} and o.literals.get(1) in HALF)
        for o in used
    )
