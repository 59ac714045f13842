"""The terms of a loss are all sums over the samples of a batch, or all means."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument, called_name
from broken_convnets.observe.recorder.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

ADDING = frozenset(
    {"add", "__add__", "__radd__", "__iadd__", "add_", "sub", "__sub__", "__rsub__", "neg"}
    | {"__neg__", "__isub__"}
)
DIFFERENCES = frozenset({"sub", "__sub__", "__rsub__", "rsub"})
ERRORS = frozenset({"sum", "mean", "pow", "__pow__", "square", "abs", "mul", "__mul__"})
SCALING = frozenset({"mul", "__mul__", "__rmul__"})
UNWEIGHTED = frozenset({0.5, 1})  # absolute factors of terms that nobody weights
LEGACY = frozenset({"size_average", "reduce"})  # arguments from before `reduction`
STEPS = 40  # operators between a backward pass and the terms, at most
PASSES = 4  # backward passes that are looked at


class Term(NamedTuple):
    """An operator that reduces the numbers of a batch to a term of the loss."""

    operator: Operator
    is_mean: bool


@rule(
    "the terms of a loss are all sums over a batch, or all means",
    stays_quiet="unless the mean compares an output with the input of the network, as in a "
    "variational autoencoder; about terms that are weighted or divided by anything",
)
def sums_and_means_in_one_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find a mean reconstruction error with a KL divergence that is summed over the batch."""
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        terms = list(_terms(evidence, backward))
        mean = next((t.operator for t in terms if t.is_mean), None)
        total = next((t.operator for t in terms if not t.is_mean), None)
        if mean is None or total is None or not reconstructs(evidence, mean):
            continue
        size = total.inputs[0].shape[0]
        site = _function_call(evidence, mean)
        forgotten = site is not None and argument(site.call, "reduction") is None
        cause, other = (mean, total) if forgotten else (total, mean)
        yield Finding(
            kind="loss/kl_div_reduction",
            message="one term of the loss is a sum over the batch, and another one a mean",
            evidence=f"{total.places[0].text} adds up {list(total.inputs[0].shape)} numbers, and "
            f"{mean.places[0].text} is a mean: with another batch size than {size}, the sum "
            "weighs more or less against the mean",
            cause=location(cause.places),
            symptom=location(other.places),
            subject=cause.places[0].text,
            candidates=_summed(site) if site else (),
            confidence=6,
        )
        return


def _terms(evidence: Evidence, backward: BackwardPass) -> Iterator[Term]:
    """Yield the sums and means over a batch that are added up, without any weight."""
    sizes = _batch_sizes(evidence, backward)
    waiting = list(backward.roots)
    for _ in range(STEPS):
        value = waiting.pop() if waiting else None
        operator = evidence.record.producer(value) if value is not None else None
        if operator is None:
            continue
        if operator.name in ADDING or (operator.name in SCALING and is_unweighted(operator)):
            waiting += [one for one in operator.inputs if one.shape == ()]
            continue
        is_mean = _is_mean(operator)
        given = operator.inputs[0] if operator.inputs else None
        if is_mean is None or given is None or not operator.places or not given.requires_grad:
            continue
        if (is_mean or given.shape[0] in sizes) and evidence.flow.depends_on_network(given):
            yield Term(operator, is_mean)


def reconstructs(evidence: Evidence, term: Operator) -> bool:
    """Return whether a term compares something with what a network received."""
    passes = (one for one in evidence.record.passes if one.parameters)
    received = {v for one in passes for given in one.received for v in _views(evidence, given)}
    waiting = [term]
    for _ in range(STEPS):
        operator = waiting.pop(0) if waiting else None
        if operator is None:
            continue
        if operator.name in LOSSES or operator.name in DIFFERENCES:
            given = [v for value in operator.inputs[:2] for v in _views(evidence, value)]
            if not received.isdisjoint(given):
                return True
        elif operator.name in ERRORS | TRANSPARENT:
            makers = (evidence.record.producer(value) for value in operator.inputs)
            waiting += [one for one in makers if one is not None]
    return False


def _views(evidence: Evidence, value: Value) -> Iterator[Value]:
    """Yield a value, and those that it is a view or a copy of."""
    for _ in range(STEPS):
        yield value
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in TRANSPARENT or not operator.inputs:
            return
        value = operator.inputs[0]


def is_unweighted(operator: Operator) -> bool:
    """Return whether an operator multiplies by 1 or a half, or changes the sign."""
    numbers = [n for n in operator.literals.values() if isinstance(n, int | float)]
    return len(operator.inputs) == 1 and len(numbers) == 1 and abs(numbers[0]) in UNWEIGHTED


def _is_mean(operator: Operator) -> bool | None:
    """Return whether an operator returns the mean, or the sum, of a batch; None for others."""
    shape = operator.inputs[0].shape if operator.inputs else ()
    scalar = len(operator.outputs) == 1 and operator.outputs[0].shape == ()
    legacy = any(operator.literals.get(name) is not None for name in LEGACY)
    if not scalar or not shape or shape[0] < 2 or legacy:  # noqa: PLR2004  (samples)
        return None
    if operator.name in LOSSES:
        return {"mean": True, "sum": False}.get(operator.literals.get("reduction", "mean"))
    return {"mean": True, "sum": False}.get(operator.name)


def _batch_sizes(evidence: Evidence, backward: BackwardPass) -> set[int]:
    """Return the batch sizes of the networks that the loss depends on."""
    known = evidence.flow.ancestors(backward.roots)
    return {
        value.shape[0]
        for forward in evidence.record.passes
        if forward.parameters and not known.isdisjoint(forward.returned)
        for value in forward.received[:1]
        if value.shape
    }


def _function_call(evidence: Evidence, loss: Operator) -> Site | None:
    """Return the call of a loss function by its name; None for modules and other operators."""
    site = site_of(evidence, loss.places) if loss.name in LOSSES else None
    return site if site is not None and called_name(site.call) == loss.name else None


def _summed(site: Site) -> tuple[Candidate, ...]:
    """Return the change of a loss function from its mean to its sum."""
    change = partial(edits.set_argument, site.source, site.call, "reduction", None, '"sum"')
    return candidates((0, change))
