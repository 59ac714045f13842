"""A network accepts a batch of one sample."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, require_success, site_of
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.loaders import Loader
    from broken_convnets.observe.traced_forward import TracedOperator


@rule(
    "a batch of one sample has an output of one row",
    stays_quiet="unless squeeze() without a dimension removes the batch of an image or a row",
)
def batch_of_one_squeezed(evidence: Evidence) -> Iterator[Finding]:
    """Find the squeeze() that removes the batch dimension of a single sample."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        operator = evidence.probing.run(partial(_squeezing, probe))
        if operator is None:
            continue
        place = operator.places[0]
        before, after = (list(t.shape) for t in (operator.inputs[0], operator.outputs[0]))
        yield Finding(
            kind="shape/squeeze_batch_of_one",
            message=f"{place.text} removes the batch dimension of a single sample",
            evidence=f"for a batch of one, squeeze() turns {before} into {after}",
            severity=Severity.WARNING if _never_single(evidence) else Severity.ERROR,
            violates=(Law.ANY_BATCH_SIZE, Law.SAMPLES_INDEPENDENT),
            cause=Location(place.file, place.line),
            subject=place.text,
            cases=("batch/squeezed_score_of_one_image",),
            candidates=_repairs(evidence, operator),
            confidence=6,
        )


def _never_single(evidence: Evidence) -> bool:
    """Return whether the loaders of a program have no batch of one, so that the mistake waits."""
    read = [loader for loader in evidence.record.loaders if loader.epochs]
    return bool(read) and not any(map(_may_be_single, read))


def _may_be_single(loader: Loader) -> bool:
    size, length = loader.batch_size, loader.dataset.length
    if size is None or length is None:
        return True
    return size == 1 or (length % size == 1 and not loader.drop_last)


def _squeezing(probe: Probe) -> TracedOperator | None:
    """Return the squeeze() after which a batch of one has another number of dimensions."""
    if probe.batch_size < 2:  # noqa: PLR2004  (there is nothing to compare)
        return None
    net = probe.subject.build().eval()
    many = tensors(net.forward(probe.subject.inputs(3)))
    if not all(tensor.ndim and len(tensor) == 3 for tensor in many):  # noqa: PLR2004  (the batch size)
        return None
    outputs: list[object] = []
    trace, error = trace_call(lambda: outputs.append(net.forward(probe.subject.inputs(1))))
    if error is None and [t.ndim for t in tensors(outputs)] == [t.ndim for t in many]:
        return None
    return next((o for o in reversed(trace) if _squeezes_batch(o)), None)


def _squeezes_batch(operator: TracedOperator) -> bool:
    if operator.name != "squeeze" or not operator.places or len(operator.literals) > 0:
        return False
    return bool(operator.inputs[0].shape[:1] == (1,))


def _repairs(evidence: Evidence, operator: TracedOperator) -> tuple[Candidate, ...]:
    site = site_of(evidence, operator.places)
    if site is None:
        return ()
    dims = [d for d, size in enumerate(operator.inputs[0].shape) if size == 1 and d]
    owner = site.receiver
    if not dims or owner == "torch" or not owner:
        return ()
    attempts = (
        (rank, partial(edits.replace, site.source, [(site.call, f"{owner}.squeeze({dim})")]))
        for rank, dim in enumerate(dims[:1])
    )
    return candidates(*attempts)
