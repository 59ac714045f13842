"""A distillation divides the logits of both networks by the same temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value


@rule(
    "both networks of a distillation have the same temperature",
    stays_quiet="unless kl_div compares the softmax of two networks' outputs, where one is divided "
    "by a number above 1 and the other one is used as it is; about targets that are sharpened. A "
    "warning for a teacher that is softened alone",
)
def temperature_on_one_side(evidence: Evidence) -> Iterator[Finding]:
    """Find `kl_div(log_softmax(student / T), softmax(teacher))`."""
    for calls in by_place(evidence, "kl_div"):
        first = calls[0].operator
        student = _softmax(evidence, first.inputs[0], "log_softmax")
        teacher = _softmax(evidence, first.inputs[1], "softmax")
        if student is None or teacher is None or not student.places or not teacher.places:
            continue
        own, other = (_temperature(evidence, one) for one in (student, teacher))
        if (own == 1) == (other == 1) or not own * other > 1:
            continue
        if not _are_outputs(evidence, student, teacher):
            continue
        plain, scaled = (student, teacher) if own == 1 else (teacher, student)
        yield Finding(
            kind="loss/wrong_loss",
            message="only one side of a distillation has a temperature",
            severity=Severity.ERROR if plain is teacher else Severity.WARNING,
            evidence=f"`{scaled.places[0].text}` divides its logits by {max(own, other):.3g}, and "
            f"`{plain.places[0].text}` uses them as they are: both distributions are equal for no "
            "equal logits",
            cause=location(plain.places),
            symptom=location(first.places),
            subject=plain.places[0].text,
            confidence=7,
        )


def _softmax(evidence: Evidence, value: Value, name: str) -> Operator | None:
    operator = producer(evidence, value)
    return operator if operator is not None and operator.name == name else None


def _temperature(evidence: Evidence, softmax: Operator) -> float:
    """Return the number that the input of a softmax was divided by; 1 if by none."""
    operator = producer(evidence, softmax.inputs[0])
    if operator is None or plain_name(operator) not in {"div", "mul"}:
        return 1.0
    number = number_in(operator)
    if len(operator.inputs) > 1 or not number:
        return float("nan")  # by a tensor
    return number if plain_name(operator) == "div" else 1 / number


def _are_outputs(evidence: Evidence, *operators: Operator) -> bool:
    """Return whether each softmax is of another network, scaled at most."""
    one, other = (_pass_of(evidence, softmax) for softmax in operators)
    return one is not None and other is not None and one.network is not other.network


def _pass_of(evidence: Evidence, softmax: Operator) -> ForwardPass | None:
    value = softmax.inputs[0]
    operator = producer(evidence, value)
    scaled = operator is not None and plain_name(operator) in {"div", "mul"}
    start = operator.inputs[0] if operator is not None and scaled else value
    return evidence.flow.pass_of(start)
