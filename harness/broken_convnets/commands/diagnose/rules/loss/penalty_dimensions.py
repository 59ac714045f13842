"""A gradient penalty takes the norm of all of a sample's gradient, and of one sample at a time."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

FEATURES = 3  # dimensions of samples with channels and positions, at least
SQUARES = frozenset({"pow", "square", "mul"})
SHIFTS = frozenset({"add", "sqrt", "clamp", "clamp_min"})
STEPS = 6  # operators between the norm and the 1 that is subtracted


@rule(
    "a gradient penalty compares the norm of each sample's gradient with 1",
    stays_quiet="unless the norm of what torch.autograd.grad returned, less 1, is in the loss, the "
    "gradient has more dimensions than samples and features, and the network returns one number "
    "for each sample; one that judges each position may have a penalty for each",
)
def penalty_of_parts(evidence: Evidence) -> Iterator[Finding]:
    """Find `gradients.norm(2, dim=1)` of gradients of shape [N, C, H, W]."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        gradient = _gradient(evidence, operator)
        if gradient is None or not operator.places or operator.places[0] in seen:
            continue
        before, after = gradient.shape, operator.outputs[0].shape
        if not _is_wrong(before, after) or not _less_one(evidence, operator):
            continue
        if not _has_one_score_each(evidence, gradient):
            continue
        seen.add(operator.places[0])
        over = "all samples together" if after == () else "one position of one sample at a time"
        yield Finding(
            kind="loss/wrong_loss",
            message=f"the gradient penalty takes the norm of {over}",
            evidence=f"`{operator.places[0].text}` reduces gradients of shape {list(before)} to "
            f"{list(after)}; the critic is to have a gradient of norm 1 for each of the "
            f"{before[0]} samples: flatten(1) before the norm",
            cause=location(operator.places),
            subject=operator.places[0].text,
            candidates=_flattened(evidence, operator),
            confidence=7,
        )


def _gradient(evidence: Evidence, operator: Operator) -> Value | None:
    """Return the gradient that an operator takes the norm of, or sums the squares of."""
    if operator.name not in {"norm", "linalg_norm", "vector_norm", "linalg_vector_norm", "sum"}:
        return None
    given = operator.inputs[0] if operator.inputs and operator.outputs else None
    maker = evidence.record.producer(given) if given is not None else None
    if operator.name == "sum":
        square = maker is not None and plain_name(maker) in SQUARES
        given = maker.inputs[0] if square and maker is not None else None
        maker = evidence.record.producer(given) if given is not None else None
    return given if maker is not None and maker.name == "grad" else None


def _has_one_score_each(evidence: Evidence, gradient: Value) -> bool:
    """Return whether the gradient is of a network that returns one number for each sample."""
    flow, maker = evidence.flow, evidence.record.producer(gradient)
    scores = flow.ancestors(maker.inputs) & flow.network_outputs if maker is not None else set()
    judged = {value for one in scores for value in flow.ancestors([one]) - {one}}
    last = [one for one in scores - judged if one.shape[:1] == gradient.shape[:1]]
    return bool(last) and all(prod(one.shape[1:]) == 1 for one in last)


def _is_wrong(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    whole = after == () and before[0] > 1
    parts = len(after) > 1 and after[0] == before[0] and any(size > 1 for size in after[1:])
    return len(before) >= FEATURES and (whole or parts)


def _less_one(evidence: Evidence, operator: Operator) -> bool:
    """Return whether 1 is subtracted from a norm, and a backward pass depends on it."""
    waiting = list(operator.outputs)
    for _ in range(STEPS):
        users = [user for value in waiting for user in evidence.flow.consumers(value)]
        if any(plain_name(user) in {"sub", "rsub"} and number_in(user) == 1 for user in users):
            return any(value in evidence.flow.reaching_backward for value in operator.outputs)
        waiting = [v for user in users if plain_name(user) in SHIFTS for v in user.outputs]
    return False


def _flattened(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change of `gradients.norm(2, dim=1)` to that of the flattened gradients."""
    site = site_of(evidence, operator.places)
    if site is None or operator.name != "norm" or site.receiver in {"", "torch", "torch.linalg"}:
        return ()
    text = f"{site.receiver}.flatten(1).norm(2, dim=1)"
    return candidates((0, partial(edits.replace, site.source, [(site.call, text)])))
