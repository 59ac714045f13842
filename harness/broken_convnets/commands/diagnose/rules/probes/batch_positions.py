"""In eval mode, what a network returns for a sample does not depend on its place in the batch."""

from __future__ import annotations

from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.probes.mixing import (
    SAMPLES,
    first_mixing,
    is_batch_first,
)
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import map_tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.traced_forward import TracedOperator

DIMENSIONS = 3  # the batch, positions and features
RANDOM = ("rand", "normal", "bernoulli", "multinomial", "uniform", "exponential")


@rule(
    "in eval mode, the output for a sample does not depend on its place in the batch",
    stays_quiet="unless it is added to samples that have another dimension, of positions, and is "
    "equal along it; if a tensor of the network is as long as the batches, if the first dimension "
    "may be another one than the batch, and if a network draws random numbers or mixes samples",
)
def position_in_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find positional encodings that are added along the batch instead of the sequence."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        if not evidence.probing.run(partial(is_batch_first, probe)):
            continue
        if evidence.probing.run(partial(first_mixing, probe)) is not None:
            continue
        operator = evidence.probing.run(partial(_first_dependent, probe))
        if operator is None or not operator.places or not _is_over_positions(operator):
            continue
        if _has_entry_for_each_sample(evidence, probe):
            continue
        place, shapes = operator.places[0], [list(one.shape) for one in operator.inputs]
        yield Finding(
            rule="position_in_batch",
            kind="batch",
            message=f"`{place.text}` treats the samples of a batch by their place in it",
            evidence=f"with the samples in another order, the network returns other outputs for "
            f"them from this {operator.name.strip('_')} on; its operands have the shapes "
            f"{' and '.join(map(str, shapes))}, and the batch is the dimension of {SAMPLES}",
            violates=(Law.SAMPLES_INDEPENDENT,),
            cause=Location(place.file, place.line),
            subject=place.text,
            confidence=8,
        )


def _is_over_positions(operator: TracedOperator) -> bool:
    """Return whether one operand has a single entry where the other has positions.

    Without positions, the samples may be those of a sequence, or each have a code of its own.
    """
    shapes = [one.shape for one in operator.inputs]
    return any(
        len(one) == len(other) >= DIMENSIONS and one[1] == 1 < other[1]
        for one, other in permutations(shapes, 2)
    )


def _has_entry_for_each_sample(evidence: Evidence, probe: Probe) -> bool:
    """Return whether a tensor of a module of the user's is as long as the batches of the program.

    Its entries may be meant for the samples, such as the frames of one video.
    """
    sizes = {one.received[0].shape[:1] for one in evidence.record.passes if one.received}
    modules = (m for m in probe.network.modules() if not type(m).__module__.startswith("torch."))
    tensors = [
        t for m in modules for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))
    ]
    return any(tensor.shape[:1] in sizes for tensor in tensors if tensor.ndim > 1)


def _first_dependent(probe: Probe) -> TracedOperator | None:
    """Return the first operator whose output is not reordered as the samples are."""
    traces = []
    for shift in (0, 1):
        net = probe.subject.build().eval()
        inputs = map_tensors(probe.subject.inputs(SAMPLES), partial(_shifted, shift=shift))
        seed_all(0)
        traces.append(trace_call(partial(net.forward, inputs)))
    (one, error), (two, other) = traces
    if error or other or [o.name for o in one] != [o.name for o in two]:
        return None
    if any(word in operator.name for operator in one for word in RANDOM):
        return None
    for before, after in zip(one, two, strict=True):
        pairs = zip(before.outputs, after.outputs, strict=False)
        if not all(_is_reordered(a, b) for a, b in pairs):
            return None if "dropout" in before.name else before  # which may run in eval mode
    return None


def _shifted(tensor: torch.Tensor, shift: int) -> torch.Tensor:
    return tensor.roll(shift, 0) if tensor.ndim and len(tensor) == SAMPLES else tensor


def _is_reordered(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two results are equal, or have the same samples in another order."""
    if a.shape != b.shape or _are_close(a, b):
        return True  # of different shapes, it depends on the values: no statement
    return any(_is_reordered_along(a, b, dim) for dim in range(a.ndim))


def _is_reordered_along(a: torch.Tensor, b: torch.Tensor, dim: int) -> bool:
    """Return whether `dim` is made of samples, each with one or more entries side by side."""
    if a.shape[dim] % SAMPLES:
        return False
    one, other = a.movedim(dim, 0), b.movedim(dim, 0)
    rest = one.shape[1:]
    blocks = one.reshape(SAMPLES, -1, *rest).roll(1, 0).reshape(one.shape)
    turns = one.reshape(-1, SAMPLES, *rest).roll(1, 1).reshape(one.shape)
    return _are_close(blocks, other) or _are_close(turns, other)


def _are_close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if not a.is_floating_point() and not a.is_complex():
        return bool((a == b).all())
    return bool(torch.isclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True).all())
