"""Softmax of the scores of a batch works along the classes."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.predictions import dimension
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to, origin_of
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator

SOFTMAX = frozenset({"softmax", "log_softmax"})


@rule(
    "softmax of scores works along the classes",
    stays_quiet="about softmax inside of a network, whose results are used further, as attention",
)
def softmax_over_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find a softmax over dimension 0 of a batch of scores that a loss or the user receives."""
    seen: set[object] = set()
    for operator, along in _final_softmax(evidence):
        value = operator.outputs[0]
        places = origin_of(evidence, operator)
        if not places or places[0] in seen or value.shape[0] < 2:  # noqa: PLR2004  (one sample)
            continue
        seen.add(places[0])
        what = "the samples" if along == 0 else "not the classes"
        yield Finding(
            kind="loss/softmax_dimension",
            message=f"{operator.name} is computed along dimension {along}, {what}: the scores of "
            "one sample do not sum to 1",
            evidence=f"{places[0].text} receives shape {list(value.shape)}, with "
            f"{value.shape[1]} classes in dimension 1",
            violates=(Law.SAMPLES_INDEPENDENT,) if along == 0 else (),
            cause=location(places),
            subject=places[0].text,
            cases=("batch/softmax_over_batch",),
            candidates=_along_classes(evidence, operator),
            confidence=8,
        )


def _final_softmax(evidence: Evidence) -> Iterator[tuple[Operator, int]]:
    """Yield each softmax along a wrong dimension that a network returns, or nll_loss receives."""
    for forward in evidence.record.passes:
        if len(forward.returned) == 1 and forward.received and forward.received[0].shape:
            value, batch = forward.returned[0], forward.received[0].shape[0]
            maker = evidence.record.producer(value)
            scores = len(value.shape) == 2 and value.shape[0] == batch  # noqa: PLR2004  (rows of scores)
            if maker is not None and scores and _dimension(maker) == 0:
                yield maker, 0
    for call in evidence.record.losses:
        maker = evidence.record.producer(call.operator.inputs[0])
        along = _dimension(maker) if maker is not None and call.name == "nll_loss" else None
        if maker is not None and along not in {None, 1} and len(call.input.shape) > 1:
            yield maker, along or 0


def _dimension(operator: Operator) -> int | None:
    known = operator.name in SOFTMAX and bool(operator.outputs)
    return dimension(operator, len(operator.outputs[0].shape)) if known else None


def _along_classes(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, origin_of(evidence, operator))
    if site is None:
        return ()
    module = site.call.func
    name = module.attr if isinstance(module, ast.Attribute) else getattr(module, "id", "")
    first = applied_to(site.call, operator.name)
    method = isinstance(module, ast.Attribute) and first is module.value
    position = 0 if name[:1].isupper() or method else 1
    return candidates(
        (0, partial(edits.set_argument, site.source, site.call, "dim", position, "1"))
    )
