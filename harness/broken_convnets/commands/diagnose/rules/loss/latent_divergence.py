"""The KL divergence of a variational autoencoder has its sign, and one meaning of its variance."""

from __future__ import annotations

import ast
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.divergences import divergences, power_of
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import candidates, location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.rules.loss.divergences import Power
    from broken_convnets.observe.recorder.recorded_events import Operator

NOISE = frozenset({"randn_like", "randn", "normal", "standard_normal"})
HALF = 0.5


@rule(
    "the KL divergence of a variational autoencoder is added to the loss",
    stays_quiet="unless the loss has exp(v), v and a square, with the factors that they have in "
    "the KL divergence from N(0, 1)",
)
def divergence_subtracted(evidence: Evidence) -> Iterator[Finding]:
    """Find a KL divergence with the wrong sign, so that training increases it."""
    for divergence in divergences(evidence):
        if divergence.factor > 0 or not divergence.path:
            continue
        cause = _sign(divergence.path)
        yield Finding(
            kind="loss/wrong_loss",
            message="the KL term has the wrong sign: training increases the KL divergence",
            evidence=f"in the KL divergence from N(0, 1), "
            f"{divergence.exponential.places[0].text} and the square of the mean have the factor "
            f"+0.5; with {cause.places[0].text}, they have the other sign in the loss",
            cause=location(cause.places),
            subject=cause.places[0].text,
            candidates=_negated(evidence, cause),
            confidence=7,
        )
        return


@rule(
    "noise is multiplied by the standard deviation, and not by the variance of the KL divergence",
    stays_quiet="unless the same value is the logarithm of the variance in the KL divergence",
)
def noise_times_variance(evidence: Evidence) -> Iterator[Finding]:
    """Find `mean + noise * exp(logvar)` in a variational autoencoder."""
    variances = {d.variance: d for d in divergences(evidence)}
    for operator in evidence.record.operators if variances else ():
        spread = _spread(evidence, operator)
        divergence = variances.get(spread) if spread else None
        if divergence is None or not operator.places:
            continue
        maker = _exponential(evidence, operator)
        cause = maker if maker is not None and maker.places else operator
        variance = divergence.exponential.places[0].text
        yield Finding(
            kind="loss/wrong_loss",
            message="noise is multiplied by the variance instead of the standard deviation",
            evidence=f"{operator.places[0].text} uses {cause.places[0].text} as the standard "
            f"deviation, and the KL term uses the same values, {variance}, as the variance: the "
            "standard deviation is exp(0.5 * logvar)",
            cause=location(cause.places),
            symptom=location(divergence.exponential.places),
            subject=cause.places[0].text,
            candidates=_halved(evidence, cause),
            confidence=7,
        )
        return


def _spread(evidence: Evidence, operator: Operator) -> Power | None:
    """Return the power that an operator multiplies noise by."""
    if plain_name(operator) != "mul" or len(operator.inputs) != 2:  # noqa: PLR2004  (two factors)
        return None
    for noise, spread in (operator.inputs, operator.inputs[::-1]):
        maker = evidence.record.producer(noise)
        if maker is not None and plain_name(maker) in NOISE and not noise.requires_grad:
            return power_of(evidence, spread)
    return None


def _exponential(evidence: Evidence, operator: Operator) -> Operator | None:
    """Return the operator that computed the exponential that noise is multiplied by."""
    makers = (evidence.record.producer(value) for value in operator.inputs)
    return next((m for m in makers if m is not None and plain_name(m) == "exp"), None)


def _sign(path: tuple[Operator, ...]) -> Operator:
    """Return the operator that subtracts a divergence, or else multiplies it by a half."""
    flips = [one for one, after in pairwise(path) if _subtracts(one, after)]
    halves = [one for one in path if abs(number_in(one) or 0) == HALF]
    return (flips or halves or list(path))[-1]


def _subtracts(operator: Operator, after: Operator) -> bool:
    """Return whether an operator subtracts what the one after it in a path returned."""
    name, number = plain_name(operator), number_in(operator)
    second = name == "sub" and operator.inputs[-1] in after.outputs and len(operator.inputs) > 1
    return second or name in {"neg", "rsub"} or (name == "mul" and (number or 0) < 0)


def _negated(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change of the sign of a factor."""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    if source is None or not isinstance(node, ast.BinOp):
        return ()
    if not isinstance(node.op, ast.Mult) or not isinstance(node.left, ast.Constant):
        return ()
    text = f"-{source.text_of(node.left)}"
    return candidates((0, partial(edits.replace, source, [(node.left, text)])))


def _halved(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change that takes the exponential of the half."""
    source = evidence.source(operator.places[0].file)
    node = source.call_at(operator.places[0]) if source else None
    if source is None or node is None or plain_name(operator) != "exp":
        return ()
    if node.args:
        change = (node.args[0], f"0.5 * ({source.text_of(node.args[0])})")
        if isinstance(node.args[0], ast.Name | ast.Attribute | ast.Call):
            change = (node.args[0], f"0.5 * {source.text_of(node.args[0])}")
    elif isinstance(node.func, ast.Attribute):
        owner = node.func.value
        change = (owner, f"(0.5 * {source.text_of(owner)})")
    else:
        return ()
    return candidates((0, partial(edits.replace, source, [change])))
