"""A policy gradient makes actions with high returns more likely."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.rules.training.policies import results_of, terms_of_losses
from broken_convnets.commands.diagnose.sites import location, require_success, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

JOINED = TRANSPARENT | {"stack", "cat", "concat", "sum"}
MADE = frozenset({"tensor", "as_tensor", "FloatTensor", "from_numpy", "Tensor"})
REWARDS = re.compile(r"reward|return|advantage|discounted|(?<![a-z])(adv|advs|gae|g|gs|r|rs|ret|rets)"
                     r"(?![a-z])", re.IGNORECASE)
OTHERS = re.compile(r"cost|loss|regret|penal|neg|error|-", re.IGNORECASE)
STEPS = 12  # operators from a weight to the tensor that the program makes
PAIR = 2


@rule(
    "a policy gradient makes actions with high returns more likely",
    stays_quiet="unless the loss has the log-probability of actions times a tensor without a "
    "gradient, which by its signs and names is made of rewards, returns or advantages, with a "
    "positive factor; about optimizers that maximize, and numbers in place of the tensor",
)
def returns_are_minimized(evidence: Evidence) -> Iterator[Finding]:
    """Find `loss = (log_probs * returns).mean()`, which lacks its minus sign."""
    require_success(evidence)
    actions = _joined(evidence, results_of(evidence, "log_prob"))
    if not actions or any(b.settings.get("maximize") for b in evidence.record.built_optimizers):
        return
    for found in terms_of_losses(evidence, actions):
        for term in (one for one in found if one.value in actions and one.weights):
            made = _made_of_rewards(evidence, term)
            product = next((o for o in term.path if set(term.weights) & set(o.inputs)), None)
            if made is None or product is None or not product.places:
                continue
            yield Finding(
                rule="returns_are_minimized",
                kind="loss/wrong_loss",
                message="the loss of the policy has the wrong sign: training makes actions with "
                "high returns less likely",
                evidence=f"`{product.places[0].text}` has the factor {term.factor:.3g} in the loss, "
                f"and its weight is `{made.places[0].text}`, with a positive sign; a loss that is "
                "minimized has -log_prob * advantage",
                cause=location(product.places),
                symptom=location(made.places),
                subject=product.places[0].text,
                confidence=7,
            )
            return


def _joined(evidence: Evidence, values: set[Value]) -> set[Value]:
    """Return log-probabilities, and what several of them are joined to."""
    found, waiting = set(values), list(values)
    while waiting:
        for operator in evidence.flow.consumers(waiting.pop()):
            same = operator.name in JOINED and all(one in found for one in operator.inputs)
            new = [one for one in operator.outputs if one not in found] if same else []
            found.update(new)
            waiting += new
    return found


def _made_of_rewards(evidence: Evidence, term: Term) -> Operator | None:
    """Return the operator that makes the weight of a term, if it grows with rewards."""
    if term.factor <= 0 or len(term.weights) != 1 or term.weights[0].requires_grad:
        return None
    value, sign = term.weights[0], 1
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None:
            return None
        name, number = plain_name(operator), number_in(operator)
        if operator.name in MADE and operator.places:
            return operator if sign > 0 and _names_rewards(evidence, operator) else None
        if not operator.inputs:
            return None
        if name in {"neg", "rsub"} or (name in {"mul", "div"} and number is not None and number < 0):
            sign = -sign
        elif name == "sub" and len(operator.inputs) == PAIR and _is_output(evidence, operator):
            return None
        elif name not in JOINED | {"detach", "sub", "div", "mul", "add"}:
            return None
        value = operator.inputs[0]
    return None


def _is_output(evidence: Evidence, difference: Operator) -> bool:
    """Return whether an output of a network is what something is subtracted from."""
    return evidence.flow.depends_on_network(difference.inputs[0])


def _names_rewards(evidence: Evidence, operator: Operator) -> bool:
    """Return whether what a tensor is made of is called by a name of rewards."""
    site = site_of(evidence, operator.places)
    given = site.call.args[0] if site and site.call.args else None
    text = site.source.text_of(given) if site and given else ""
    return bool(REWARDS.search(text)) and not OTHERS.search(text)
