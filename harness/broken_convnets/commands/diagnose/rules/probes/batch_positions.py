"""In eval mode, what a network returns for a sample does not depend on its place in the batch."""

from __future__ import annotations

from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.probes.mixing import (
    SAMPLES,
    first_mixing,
    is_batch_first,
)
from broken_convnets.commands.diagnose.rules.probes.reordered import first_dependent
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.traced_forward import TracedOperator

DIMENSIONS = 3  # the batch, positions and features


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
        found = evidence.probing.run(partial(first_dependent, probe, SAMPLES))
        operator = found.operator if found else None
        if operator is None or not operator.places or not _is_over_positions(operator):
            continue
        if _has_entry_for_each_sample(evidence, probe):
            continue
        place, shapes = operator.places[0], [list(one.shape) for one in operator.inputs]
        yield Finding(
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
        t
        for m in modules
        for t in (*nn.Module.parameters(m, recurse=False), *m.buffers(recurse=False))
    ]
    return any(tensor.shape[:1] in sizes for tensor in tensors if tensor.ndim > 1)
