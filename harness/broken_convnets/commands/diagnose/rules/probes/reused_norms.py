"""Running statistics are those of one place in a network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location, Severity
from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.observe.traced_forward import trace_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.traced_forward import TracedOperator

NORM = "batch_norm"
MEAN = "running_mean"
STATISTICS = 3  # inputs of batch_norm with running statistics, at least
CALLS = 2  # of one layer: more are steps of a recurrent network
SHIFT = 0.5  # of the means, in standard deviations, for half of the channels
RATIO = 2.5  # of the variances, for half of the channels
SAMPLES = 32  # numbers of a channel, at least
TINY = 1e-12


class Reused(NamedTuple):
    """Two calls of one layer, and what half of its channels differ by at least."""

    first: Place
    second: Place
    path: str
    shift: float
    ratio: float


@rule(
    "a layer with running statistics is called for activations that are alike",
    stays_quiet="unless two lines of one forward pass call a batch normalization, the second one "
    "with what was computed from the first, the statistics of half of the channels are far apart, "
    "and the network is trained and evaluated; about loops and more than two calls; a warning",
)
def statistics_of_two_places(evidence: Evidence) -> Iterator[Finding]:
    """Find `x = self.block(x)` twice in a row where a second block is meant."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        if not _is_trained_and_evaluated(evidence, probe):
            continue
        found = evidence.probing.run(partial(_reused, evidence, probe))
        if found is None:
            continue
        yield Finding(
            kind="training/bn_train_eval_gap",
            message=f"`{found.second.text}` calls the batch normalization {found.path} for the "
            "second time in one forward pass",
            evidence=f"its running statistics, which eval mode uses, are those of both calls "
            f"together; in half of the channels the means are {found.shift:.2g} standard "
            f"deviations and more apart, and the variances differ by a factor of "
            f"{found.ratio:.3g} and more: a layer of its own for each place has its own "
            "statistics, and own parameters",
            severity=Severity.WARNING,
            cause=Location(found.second.file, found.second.line),
            symptom=Location(found.first.file, found.first.line),
            subject=found.path,
            module=found.path,
            confidence=5,
        )
        return


def _is_trained_and_evaluated(evidence: Evidence, probe: Probe) -> bool:
    passes = [one for one in evidence.record.passes if one.network() is probe.network]
    trained = any(one.training and evidence.flow.is_in_loss(one) for one in passes)
    return trained and any(not one.training for one in passes)


def _reused(evidence: Evidence, probe: Probe) -> Reused | None:
    """Return the first batch normalization whose two calls have other statistics."""
    seed_all(0)
    net = probe.subject.build()
    net.module.train()
    names = {one.data_ptr(): name for name, one in net.module.named_buffers()}
    operators = trace_call(lambda: net.forward(probe.subject.inputs()))[0]
    calls: dict[int, list[TracedOperator]] = {}
    for operator in operators:
        if operator.name == NORM and len(operator.inputs) >= STATISTICS and operator.results:
            calls.setdefault(operator.inputs[1].data_ptr(), []).append(operator)
    for key, both in calls.items():
        path, _, kind = names.get(key, "").rpartition(".")
        places = _lines(evidence, both) if len(both) == CALLS and kind == MEAN else None
        if places is None or not _follows(operators, *both):
            continue
        shift, ratio = _apart(*(one.inputs[0].detach() for one in both))
        if shift > SHIFT or ratio > RATIO:
            return Reused(*places, path, shift, ratio)
    return None


def _lines(evidence: Evidence, both: list[TracedOperator]) -> tuple[Place, Place] | None:
    """Return the two lines that call a layer, outside of loops; None if it is one line."""
    pairs = zip(both[0].places, both[1].places, strict=False)
    found = next((pair for pair in pairs if pair[0] != pair[1]), None)
    for place in found or ():
        source = evidence.source(place.file)
        node = source.expression_at(place) if source else None
        if source is None or node is None or source.loops_around(node):
            return None
    return found if found and found[0].function == found[1].function else None


def _follows(operators: list[TracedOperator], one: TracedOperator, other: TracedOperator) -> bool:
    """Return whether a call receives what was computed from the result of another one."""
    known = {id(tensor) for tensor in one.results}
    for operator in operators[operators.index(one) + 1 : operators.index(other)]:
        if any(id(tensor) in known for tensor in operator.inputs):
            known |= {id(tensor) for tensor in operator.results}
    return id(other.inputs[0]) in known


def _apart(one: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """Return how far the channels of two inputs are apart: means and variances, of the median."""
    rows = [x.movedim(1, 0).flatten(1) for x in (one, other)]
    if any(x.shape[1] < SAMPLES for x in rows):
        return 0.0, 1.0
    means, variances = ([f(x, 1) for x in rows] for f in (torch.mean, torch.var))
    variances = [v.clamp(min=TINY) for v in variances]
    shift = (means[0] - means[1]).abs() / ((variances[0] + variances[1]) / 2).sqrt()
    ratio = (variances[0] / variances[1]).log().abs().exp()
    return float(shift.median()), float(ratio.median())
