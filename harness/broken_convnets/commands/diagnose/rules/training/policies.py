"""Which values of a program are log-probabilities and entropies of torch.distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name, terms
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.values import Value

PASSES = 4  # backward passes that are looked at
HOPS = 6
MULTIPLES = TRANSPARENT | {"neg", "sub", "exp", "sum", "stack", "cat"}  # before the weight


def results_of(evidence: Evidence, method: str) -> set[Value]:
    """Return the values with a gradient that calls of a distribution's method returned.

    These are `log_prob` and `entropy`. A result is what code outside of the call works on.
    """
    operators = [one for one in evidence.record.operators if one.places]
    calls = {
        place for place in {one.places[0] for one in operators} if _is(evidence, place, method)
    }
    return {
        value
        for operator in operators
        if operator.places[0] in calls
        for value in operator.outputs
        if value.requires_grad
        and any(
            one.places[:1] and one.places[0] not in calls for one in evidence.flow.consumers(value)
        )
    }


def terms_of_losses(evidence: Evidence, leaves: set[Value]) -> Iterator[list[Term]]:
    """Yield the terms of the first losses that are minimized."""
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        yield [term for root in backward.roots for term in terms(evidence, root, leaves)]


def are_weighted(evidence: Evidence, actions: set[Value]) -> bool:
    """Return whether log-probabilities are multiplied by another tensor, as by an advantage."""
    waiting = [(value, HOPS) for value in actions]
    while waiting:
        value, hops = waiting.pop()
        for user in evidence.flow.consumers(value):
            if plain_name(user) == "mul" and len(user.inputs) > 1:
                return True
            if hops and plain_name(user) in MULTIPLES:
                waiting += [(one, hops - 1) for one in user.outputs if one.requires_grad]
    return False


def _is(evidence: Evidence, place: Place, method: str) -> bool:
    """Return whether the program calls this method at a place."""
    site = site_of(evidence, [place])
    return site is not None and called_name(site.call) == method and bool(site.receiver)
