"""A recurrent layer runs along the steps of a sequence, and not along the samples of a batch."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.probes.batch_parameters import is_shuffled
from broken_convnets.commands.diagnose.rules.probes.mixing import (
    SAMPLES,
    is_batch_first,
    is_confined_along,
    pairs_of_operators,
)
from broken_convnets.commands.diagnose.rules.probes.sequence_layers import LAYERS, is_of_torch
from broken_convnets.commands.diagnose.sites import location, require_success, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.recorded_events import Construction
    from broken_convnets.observe.traced_forward import TracedOperator

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
BATCH_FIRST = 8  # position of this argument of torch.lstm and its likes
SEQUENCE = 3  # dimensions of a batch of sequences


@rule(
    "a recurrent layer runs along the steps of a sequence, not along the samples of a batch",
    stays_quiet="unless the network receives shuffled batches, and the dimension that a layer "
    "runs along is made of their samples; about sequences of a batch of one, and networks whose "
    "output shows that it mixes samples, which another rule reports",
)
def runs_along_the_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find `nn.LSTM(batch_first=True)` that receives (width, batch, channels), as in a CRNN."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        if not any(isinstance(m, torch.nn.RNNBase) for m in probe.network.modules()):
            continue
        if evidence.probing.run(partial(is_batch_first, probe)) or not is_shuffled(evidence, probe):
            continue
        operator = evidence.probing.run(partial(_along_samples, probe))
        if operator is not None and operator.places:
            yield _finding(evidence, operator)


def _along_samples(probe: Probe) -> TracedOperator | None:
    """Return the first recurrent operator whose steps are the samples of the batch."""
    for before, after in pairs_of_operators(probe):
        if before.name not in RECURRENT or not before.inputs or before.inputs[0].ndim != SEQUENCE:
            continue
        one, two = before.inputs[0], after.inputs[0]
        steps = 1 if before.literals.get(BATCH_FIRST) is True else 0
        different = ~torch.isclose(one, two, rtol=1e-4, atol=1e-6, equal_nan=True)
        if one.shape[steps] != SAMPLES or one.shape[1 - steps] == 1 or not bool(different.any()):
            return None
        of_samples = is_confined_along(different, steps)
        return before if of_samples and not is_confined_along(different, 1 - steps) else None
    return None


def _finding(evidence: Evidence, operator: TracedOperator) -> Finding:
    place, first = operator.places[0], operator.literals.get(BATCH_FIRST) is True
    layer = _layer(evidence, operator, first=first)
    name = layer.type if layer else "the recurrent layer"
    expects = "(batch, time, features)" if first else "(time, batch, features)"
    given = "(time, batch, features)" if first else "(batch, time, features)"
    return Finding(
        kind="shape/batchnorm_axis",
        message=f"{name} runs along the samples of the batch: {place.text} receives {given}, and "
        f"it expects {expects}",
        evidence=f"batch_first is {first}; in a batch of {SAMPLES}, its input has the shape "
        f"{list(operator.inputs[0].shape)}, and a change of one sample changes one of what it "
        "takes for time steps: each hidden state depends on the samples before it",
        violates=(Law.SAMPLES_INDEPENDENT,),
        cause=location(layer.places) if layer else Location(place.file, place.line),
        symptom=Location(place.file, place.line),
        subject=place.text,
        cases=("shape/batchnorm1d_wrong_axis",),
        confidence=8,
    )


def _layer(evidence: Evidence, operator: TracedOperator, *, first: bool) -> Construction | None:
    """Return where the layer that calls an operator is constructed, if that is one line."""
    found = {
        built.places[0]: built
        for built in evidence.record.constructions
        if built.direct
        and built.places
        and built.type in LAYERS[operator.name]
        and is_of_torch(built)
        and _is_batch_first(evidence, built) is first
    }
    return next(iter(found.values())) if len(found) == 1 else None


def _is_batch_first(evidence: Evidence, built: Construction) -> bool:
    site = site_of(evidence, built.places)
    given = argument(site.call, "batch_first") if site else None
    return isinstance(given, ast.Constant) and given.value is True
