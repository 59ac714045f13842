"""A denoising step removes the predicted noise, and adds other noise.

Ho et al., Denoising diffusion probabilistic models (2020), algorithm 2: x = mean + sigma * z, where
the mean has the predicted noise subtracted, z is drawn anew in each step, and sigma is the root of
beta or of the posterior variance.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.diffusion import denoisers, factor_of
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.sites import candidates, location, require_success

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

MOVES = TRANSPARENT | {"detach"}
PRODUCTS = "cumprod"
PAIR = 2
STEPS = 6  # views of an output
DEPTH = 5  # products inside products


class Step(NamedTuple):
    """The sum of a mean and of scaled noise, and the product that scales an output."""

    total: Operator
    product: Operator
    forward: ForwardPass
    noise_first: bool


@rule(
    "the noise that a denoising step adds is drawn anew",
    stays_quiet="unless a network that learned to predict noise is called, its output is "
    "subtracted from its input, and the same output is added again, times the root of beta or of "
    "the posterior variance; about steps that scale it by the root of 1 - a cumulative product, "
    "as DDIM does",
)
def predicted_noise_added(evidence: Evidence) -> Iterator[Finding]:
    """Find `mean + sigma * noise` where `noise` is what the network returned."""
    require_success(evidence)
    networks = {id(one.network) for one in _passes(evidence)}
    schedule = _schedule(evidence) if networks else set()
    for step in _steps(evidence, networks) if schedule else ():
        if not _is_deviation(evidence, step, schedule):
            continue
        text = step.product.places[0].text
        yield Finding(
            kind="loss/wrong_loss",
            message=f"`{text}` adds the predicted noise again, which the mean has subtracted",
            evidence=f"the noise here is what `{step.forward.places[0].text}` returned, and not a "
            "draw: the variance of a denoising step belongs to random numbers that are drawn anew, "
            "as with torch.randn_like()",
            cause=location(step.product.places),
            symptom=location(step.forward.places),
            subject=text,
            candidates=_drawn(evidence, step),
            confidence=7,
        )
        return


def _passes(evidence: Evidence) -> Iterator[ForwardPass]:
    """Yield the forward passes whose outputs a loss compares with the noise in their inputs."""
    for loss, _, _ in denoisers(evidence):
        for value in loss.inputs:
            found = evidence.flow.pass_of(value)
            if found is not None:
                yield found


def _schedule(evidence: Evidence) -> set[Value]:
    """Return what the cumulative products are the products of, and what that is computed from."""
    factors = [o.inputs[0] for o in evidence.record.operators if o.name == PRODUCTS and o.inputs]
    return evidence.flow.ancestors(factors)


def _steps(evidence: Evidence, networks: set[int]) -> Iterator[Step]:
    """Yield the sums whose one part is a scaled output, and the other one has it subtracted."""
    outputs = {
        value: one
        for one in evidence.record.passes
        if one.places and id(one.network) in networks and not evidence.flow.is_in_loss(one)
        for value in one.returned
    }
    for total in evidence.record.operators if outputs else ():
        if plain_name(total) != "add" or len(total.inputs) != PAIR:
            continue
        for added, mean in (total.inputs, total.inputs[::-1]):
            product = evidence.record.producer(added)
            if product is None or plain_name(product) != "mul" or not product.places:
                continue
            found = [outputs.get(_moved(evidence, one)) for one in product.inputs]
            forward = next((one for one in found if one is not None), None)
            if len(found) != PAIR or forward is None or not _is_removed(evidence, mean, forward):
                continue
            yield Step(total, product, forward, found[0] is forward)


def _is_removed(evidence: Evidence, mean: Value, forward: ForwardPass) -> bool:
    """Return whether a value was computed from the input and the output of a forward pass."""
    known = evidence.flow.ancestors([mean])
    return all(any(one in known for one in each) for each in (forward.received, forward.returned))


def _is_deviation(evidence: Evidence, step: Step, schedule: set[Value]) -> bool:
    """Return whether noise is scaled by the root of a product with a number of the schedule."""
    scale = step.product.inputs[1 if step.noise_first else 0]
    found = factor_of(evidence, scale)
    return found.root and any(
        factor_of(evidence, one).base in schedule for one in _factors(evidence, found.base, DEPTH)
    )


def _factors(evidence: Evidence, value: Value, depth: int) -> Iterator[Value]:
    """Yield what a quotient or a product multiplies, and itself."""
    yield value
    operator = evidence.record.producer(value)
    name = plain_name(operator) if operator is not None else ""
    if operator is not None and depth and name in {"mul", "div"}:
        for one in operator.inputs[: 1 if name == "div" else PAIR]:
            yield from _factors(evidence, one, depth - 1)


def _moved(evidence: Evidence, value: Value) -> Value:
    """Return the value that another one is a view or a copy of."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in MOVES or len(operator.inputs) != 1:
            return value
        value = operator.inputs[0]
    return value


def _drawn(evidence: Evidence, step: Step) -> tuple[Candidate, ...]:
    """Return the change that draws the noise instead."""
    source = evidence.source(step.product.places[0].file)
    node: ast.expr | None = source.expression_at(step.product.places[0]) if source else None
    left, right = getattr(node, "left", None), getattr(node, "right", None)
    noise = left if step.noise_first else right
    if source is None or noise is None:
        return ()
    text = f"torch.randn_like({source.text_of(noise)})"
    return candidates((0, partial(edits.replace, source, [(noise, text)])))
