"""A policy gradient makes actions with high returns more likely."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.descent import maximizes
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name, terms
from broken_convnets.commands.diagnose.rules.structure.own_updates import computes_with_gradients
from broken_convnets.commands.diagnose.rules.training.policies import results_of, terms_of_losses
from broken_convnets.commands.diagnose.sites import location, require_success, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

JOINED = TRANSPARENT | {"stack", "cat", "concat", "sum"}
LISTS = frozenset({"stack", "cat", "concat"})
MADE = frozenset({"tensor", "as_tensor", "FloatTensor", "from_numpy", "Tensor"})
REWARDS = re.compile(
    r"reward|return|advantage|discounted|(?<![a-z])(adv|advs|gae|g|gs|r|rs|ret|rets)"
    r"(?![a-z])",
    re.IGNORECASE,
)
WORDS = re.compile(r"reward|return|advantage|discounted", re.IGNORECASE)
OTHERS = re.compile(r"cost|loss|regret|penal|neg|error|-", re.IGNORECASE)
# What is to be small, whatever its weights are called.
COSTS = re.compile(r"cost|regret|makespan|latency|minimi[sz]", re.IGNORECASE)
STARTS = re.compile(r"\.backward\(\s*(?!retain_graph|create_graph|inputs)[^\s)]")  # from a gradient
STEPS = 12  # operators from a weight to the tensor that the program makes


@rule(
    "a policy gradient makes actions with high returns more likely",
    stays_quiet="unless the loss has the log-probability of actions times a tensor without a "
    "gradient, which by its signs and names is made of rewards, returns or advantages, with a "
    "positive sign; about programs that maximize, change gradients themselves or speak of costs, "
    "and numbers in place of the tensor; a warning if a letter stands for the rewards",
)
def returns_are_minimized(evidence: Evidence) -> Iterator[Finding]:
    """Find `loss = (log_probs * returns).mean()`, which lacks its minus sign."""
    require_success(evidence)
    actions = _joined(evidence, results_of(evidence, "log_prob"))
    if not actions or maximizes(evidence) or _ascends(evidence):
        return
    for found in terms_of_losses(evidence, actions):
        parts = (part for one in found for part in _parts(evidence, one, actions))
        for term in (one for one in parts if one.value in actions and one.weights):
            made = _made_of_rewards(evidence, term)
            product = next((o for o in term.path if set(term.weights) & set(o.inputs)), None)
            if made is None or product is None or not product.places:
                continue
            yield Finding(
                kind="loss/wrong_loss",
                message="the loss of the policy has the wrong sign: training makes actions with "
                "high returns less likely",
                evidence=f"`{product.places[0].text}` has the factor {term.factor:.3g} in the "
                f"loss, and its weight is made of `{made.places[0].text}`: the product of both "
                "signs is positive, and a loss that is minimized has -log_prob * advantage",
                cause=location(product.places),
                symptom=location(made.places),
                subject=product.places[0].text,
                severity=Severity.ERROR if _is_plain(made) else Severity.WARNING,
                confidence=7,
            )
            return


def _ascends(evidence: Evidence) -> bool:
    """Return whether the program may go uphill, or rewards may be costs, which are minimized."""
    sources = evidence.user_sources
    return any(
        computes_with_gradients(source) or STARTS.search(source.text) or COSTS.search(source.text)
        for source in sources
    )


def _parts(evidence: Evidence, term: Term, actions: set[Value]) -> Iterator[Term]:
    """Yield the terms that a list of losses of single steps was joined of, or the term itself."""
    operator = evidence.record.producer(term.value)
    if operator is None or operator.name not in LISTS or term.value in actions:
        yield term
        return
    for value in operator.inputs:
        for one in terms(evidence, value, actions):
            path = (*term.path, operator, *one.path)
            yield replace(one, factor=term.factor * one.factor, path=path)


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
    if not term.factor or len(term.weights) != 1:
        return None
    value = term.weights[0]
    sign = math.copysign(1, term.factor * (value.scalar or 1))  # the factor has its number
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is not None and operator.name in MADE and operator.places:
            return operator if sign > 0 and _names_rewards(evidence, operator) else None
        if operator is None or not operator.inputs or not _keeps_order(operator):
            return None
        sign *= _sign_of(operator)
        value = operator.inputs[0]
    return None


def _sign_of(operator: Operator) -> int:
    """Return -1 for an operator whose result falls where its first input grows."""
    name, number = plain_name(operator), number_in(operator)
    scales = name in {"mul", "div"} and number is not None and number < 0
    return -1 if name in {"neg", "rsub"} or scales else 1


def _keeps_order(operator: Operator) -> bool:
    """Return whether the result of an operator grows, or falls, where its first input grows."""
    return plain_name(operator) in JOINED | {"detach", "sub", "div", "mul", "add", "neg", "rsub"}


def _is_plain(made: Operator) -> bool:
    """Return whether a weight is called by a word: a letter may stand for a cost."""
    return bool(WORDS.search(made.places[0].text))


def _names_rewards(evidence: Evidence, operator: Operator) -> bool:
    """Return whether what a tensor is made of is called by a name of rewards."""
    site = site_of(evidence, operator.places)
    given = site.call.args[0] if site and site.call.args else None
    text = site.source.text_of(given) if site and given else ""
    return bool(REWARDS.search(text)) and not OTHERS.search(text)
