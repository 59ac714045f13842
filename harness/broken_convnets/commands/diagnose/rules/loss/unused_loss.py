"""The loss that is minimized is the one that the program adds up."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    assigned_name,
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

ADDITIONS = frozenset({"add", "__add__", "__radd__", "add_", "__iadd__", "sub", "__sub__"})
HOPS = 4


@rule(
    "backward() starts from the sum of all loss terms",
    stays_quiet="if the other term reaches a backward pass of its own, as in a GAN",
)
def backward_of_one_term(evidence: Evidence) -> Iterator[Finding]:
    """Find sums of a loss and another term of which only the loss is minimized."""
    require_success(evidence)
    for backward in evidence.record.backward_passes:
        found = _unused_sum(evidence, backward)
        if found is None:
            continue
        addition, term = found
        yield Finding(
            kind="training/backward_of_another_loss",
            message="backward() starts from one term of the loss, not from the sum",
            evidence=f"{addition.places[0].text} adds a term that requires gradients"
            f"{_number(term)}, and neither the sum nor the term reaches any backward pass",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(backward.places),
            symptom=location(addition.places),
            subject=backward.places[0].text if backward.places else "",
            candidates=_fixes(evidence, backward, addition),
            confidence=7,
        )
        return


def _number(value: Value) -> str:
    return f" ({value.scalar:.4g} at first)" if value.scalar is not None else ""


def _unused_sum(evidence: Evidence, backward: BackwardPass) -> tuple[Operator, Value] | None:
    """Return an addition of a root of `backward` and a term that no pass starts from."""
    flow = evidence.flow
    for value in backward.roots:
        for operator in flow.consumers(value):
            if operator.name not in ADDITIONS or not operator.places or not operator.outputs:
                continue
            total = operator.outputs[0]
            others = [v for v in operator.inputs if v is not value and v.requires_grad]
            alone = total.requires_grad and not flow.descendants([total]) & flow.reaching_backward
            if alone and others and not _is_minimized(evidence, others[0]):
                return operator, others[0]
    return None


def _is_minimized(evidence: Evidence, term: Value) -> bool:
    """Return whether a term, or what it is the sum of, reaches a backward pass."""
    roots = {root for b in evidence.record.backward_passes for root in b.roots}
    before = evidence.flow.ancestors([term])
    return term in evidence.flow.reaching_backward or not before.isdisjoint(roots)


def _fixes(evidence: Evidence, backward: BackwardPass, addition: Operator) -> tuple[Candidate, ...]:
    """Return the change of `loss.backward()` into `total.backward()`."""
    site = site_of(evidence, backward.places)
    source = evidence.source(addition.places[0].file)
    node = source.expression_at(addition.places[0]) if source else None
    statement = source.statement_of(node) if source and node else None
    if site is None or source is not site.source or statement is None:
        return ()
    name = assigned_name(source, statement)
    receiver = site.call.func.value if isinstance(site.call.func, ast.Attribute) else None
    before = statement.lineno < site.statement.lineno
    if not name or receiver is None or not before:
        return ()
    return candidates((0, partial(edits.replace, source, [(receiver, name)])))
