"""The loss, the outputs and the gradients are finite; where they are not, what is so first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.missing_data import without_missing
from broken_convnets.commands.diagnose.rules.loss.poles import (
    explain,
    guarded,
    has_no_slope,
    name_of,
)
from broken_convnets.commands.diagnose.rules.loss.producers import shown
from broken_convnets.commands.diagnose.sites import candidates, location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

GROWTH = 1e3  # of the loss: then the learning rate is the cause
# Layers that overflow only if their weights did.
WEIGHTED = frozenset(
    {"linear", "addmm", "matmul", "mm", "bmm", "conv1d", "conv2d", "conv3d", "batch_norm"}
    | {"conv_transpose2d", "layer_norm", "group_norm", "lstm", "gru", "embedding"}
)
# Operators that write numbers of the program into a tensor, and compute nothing.
DATA = frozenset({"tensor", "as_tensor", "from_numpy", "__setitem__", "full", "stack", "cat"})


@rule(
    "the loss is finite at every backward pass",
    stays_quiet="if the loss grows before, which a too high learning rate does",
)
def loss_not_finite(evidence: Evidence) -> Iterator[Finding]:
    """Find the first operator that turned finite numbers into the infinite or NaN loss."""
    require_success(evidence)
    bad = next((b for b in evidence.record.backward_passes if _bad_root(b)), None)
    gradient = first_bad_gradient(evidence)
    if bad is None or (gradient is not None and gradient.number < bad.number):
        return
    root = next(v for v in bad.roots if v.finite is False)
    origin = origin_of_non_finite(evidence, root)
    if origin is None or _diverges(evidence, bad):
        return
    yield from _named(evidence, origin, bad)


@rule(
    "the outputs of the network are finite",
    stays_quiet="in programs with a backward pass, where the loss is judged",
)
def output_not_finite(evidence: Evidence) -> Iterator[Finding]:
    """Find the first operator that turned finite numbers into an infinite or NaN output."""
    require_success(evidence)
    if len(evidence.record.backward_passes):
        return
    for forward in evidence.record.passes:
        for value in forward.returned:
            if value.finite is not False or not forward.parameters:
                continue
            origin = origin_of_non_finite(evidence, value)
            if origin is not None:
                yield from _named(evidence, origin, None)
                return


@rule(
    "the gradients are finite",
    stays_quiet="if the loss is not, if it grows, and with a GradScaler, which skips such steps",
)
def gradient_not_finite(evidence: Evidence) -> Iterator[Finding]:
    """Find the operator without a finite slope that makes gradients NaN under a finite loss."""
    require_success(evidence)
    bad = first_bad_gradient(evidence)
    if bad is None or any(_bad_root(b) for b in _until(evidence, bad)) or _diverges(evidence, bad):
        return
    before = evidence.flow.ancestors(bad.roots)
    operators = sorted(
        {o.number: o for v in before if (o := evidence.record.producer(v))}.values(),
        key=lambda o: o.number,
    )
    source = next((o for o in operators if is_steep(evidence, o)), None)
    if source is None or _scaled(evidence, bad):
        return
    names = [evidence.record.parameters[number].name for number in bad.non_finite]
    yield Finding(
        kind="training/nan_log_zero",
        message=f"the gradients become NaN although the loss is finite: {source.name} has no "
        "finite derivative at its input",
        evidence=f"{explain(evidence, source)} in {source.places[0].text}; after backward pass "
        f"{bad.number + 1}, {len(names)} gradients are not finite, that of {names[0]} first",
        violates=(Law.EVERY_PARAMETER_LEARNS, Law.ONE_BATCH_CAN_BE_LEARNED),
        cause=location(source.places),
        symptom=location(bad.places),
        subject=source.places[0].text,
        cases=("training/nan_sqrt_of_zero",),
        candidates=candidates(*guarded(evidence, source)),
        confidence=9,
    )


def is_steep(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator in the graph received what its derivative is infinite for."""
    graph = operator.grad_enabled and any(v.requires_grad for v in operator.inputs)
    return bool(operator.places) and graph and has_no_slope(evidence, operator)


def _bad_root(backward: BackwardPass) -> bool:
    return any(value.finite is False for value in backward.roots)


def first_bad_gradient(evidence: Evidence) -> BackwardPass | None:
    """Return the first backward pass from a finite loss to gradients that are not."""
    passes = evidence.record.backward_passes
    return next((b for b in passes if b.non_finite and not _bad_root(b)), None)


def _until(evidence: Evidence, last: BackwardPass) -> list[BackwardPass]:
    return [b for b in evidence.record.backward_passes if b.number <= last.number]


def _diverges(evidence: Evidence, bad: BackwardPass) -> bool:
    """Return whether the loss grew before it was not finite any more."""
    values = [b.roots[0].scalar for b in _until(evidence, bad) if len(b.roots) == 1]
    known = [abs(v) for v in values if v is not None and math.isfinite(v)]
    return len(known) > 1 and known[-1] > GROWTH * max(known[0], 1e-6)


def _scaled(evidence: Evidence, bad: BackwardPass) -> bool:
    source = evidence.source(bad.places[0].file) if bad.places else None
    return source is not None and "GradScaler" in source.text


def origin_of_non_finite(evidence: Evidence, value: Value) -> Value | None:
    """Return the first value that is not finite of those that `value` comes from.

    A NaN leads to earlier ones; the first leads to infinities, except those that masks are made of.
    """
    seen: set[Value] = set()
    waiting, found = [value], []
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        maker = evidence.record.producer(one)
        if maker is None and one.operator is not None:
            continue  # its operator was pushed out of the record
        bad = _bad_inputs(evidence, maker) if maker else []
        waiting += bad
        if not bad:
            found.append(one)
    return min(found, key=lambda v: v.number, default=None)


def _bad_inputs(evidence: Evidence, maker: Operator) -> list[Value]:
    bad = [value for value in maker.inputs if value.finite is False]
    return [v for v in bad if v.nan] or [v for v in bad if not _is_mask(evidence, v)]


def _is_mask(evidence: Evidence, value: Value) -> bool:
    """Return whether a value has infinities because an argument was one."""
    maker = evidence.record.producer(value)
    if maker is None:
        return False
    if any(math.isinf(n) for n in maker.literals.values() if type(n) is float):
        return True
    bad = [v for v in maker.inputs if v.finite is False]
    return bool(bad) and all(_is_mask(evidence, v) for v in bad)


def _named(evidence: Evidence, origin: Value, bad: BackwardPass | None) -> Iterator[Finding]:
    """Yield a finding about an operator, or about data that came in."""
    reached = f"the loss of backward pass {bad.number + 1}" if bad else "the output"
    maker = evidence.record.producer(origin)
    symptom = location(bad.places) if bad else None
    if maker is None or maker.name in DATA:
        yield from _data(evidence, origin, reached, bad)
        return
    if maker.name in WEIGHTED or not maker.places:
        return
    yield Finding(
        kind=kind_of(maker, origin),
        message=f"{maker.name} returns the first value that is not finite, from finite ones",
        evidence=f"{explain(evidence, maker)} in {maker.places[0].text}; it reaches {reached}",
        violates=(Law.OUTPUT_AS_DECLARED, Law.ONE_BATCH_CAN_BE_LEARNED),
        cause=location(maker.places),
        symptom=symptom,
        subject=maker.places[0].text,
        cases=("training/nan_log_of_zero",) if maker.name.startswith("log") else (),
        candidates=candidates(*guarded(evidence, maker)),
        confidence=9,
    )


def kind_of(maker: Operator, origin: Value) -> str:
    """Return the kind of an operator that computed the first value that is not finite."""
    if maker.name == "ctc_loss":
        return "loss/ctc_infinite"
    statistics = name_of(maker) in {"div", "std", "mean", "var"}
    return (
        "training/nan_in_data"
        if statistics and not origin.requires_grad
        else ("training/nan_log_zero")
    )


def _data(
    evidence: Evidence, origin: Value, reached: str, bad: BackwardPass | None
) -> Iterator[Finding]:
    use = next((o for o in evidence.flow.consumers(origin) if o.places), None)
    place = evidence.record.producer(origin) or use
    if origin.parameter or origin.requires_grad or use is None or place is None:
        return
    what = "a NaN" if origin.nan else "an infinity"
    yield Finding(
        kind="training/nan_in_data",
        message=f"the data holds {what}, in a tensor of shape {list(origin.shape)}",
        evidence=f"its first use is {use.places[0].text} at {shown(use.places)}, and it reaches "
        f"{reached}; no operator computed it",
        violates=(Law.OUTPUT_AS_DECLARED, Law.ONE_BATCH_CAN_BE_LEARNED),
        cause=location(place.places or use.places),
        symptom=location(bad.places) if bad else None,
        subject="data",
        cases=("data/nan_targets_in_loss",),
        candidates=candidates(*without_missing(evidence, use, origin)),
        confidence=8,
    )
