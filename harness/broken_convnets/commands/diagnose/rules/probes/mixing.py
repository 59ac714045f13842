"""In eval mode, the samples of a batch do not influence each other."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.layout import exchanged
from broken_convnets.commands.diagnose.rules.probes.sequence_layers import (
    SEQUENCES,
    expected,
    layer_of,
    with_batch_first,
)
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import map_tensors, tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.traced_forward import TracedOperator

SAMPLES = 5  # of the batch that is probed
CHANGED = 1  # the sample that is changed
SOFTMAX = frozenset({"softmax", "log_softmax", "softmin", "gumbel_softmax"})
NORMS = frozenset({"normalize", "cumsum", "layer_norm"})
LAYOUT = frozenset({"view", "reshape", "flatten", "unflatten"})
KINDS = {
    **dict.fromkeys(SOFTMAX, "loss/softmax_dimension"),
    **dict.fromkeys(NORMS, "loss/softmax_dimension"),
    **dict.fromkeys(LAYOUT, "shape/view_invalid"),
    **dict.fromkeys(SEQUENCES, "shape/batchnorm_axis"),
}
IMAGES = 4  # dimensions of a batch of images


@dataclass(frozen=True)
class Mixing:
    """An operator that mixes samples, and the dimension of its input that they are in."""

    operator: TracedOperator
    dim: int


@rule(
    "in eval mode, the output for a sample does not depend on the rest of its batch",
    stays_quiet="if the first dimension may be another one than the batch, or a network compares "
    "its samples on purpose: products and sums over the batch, and distances",
)
def samples_mixed(evidence: Evidence) -> Iterator[Finding]:
    """Find the first operator after which a change of one sample reaches the others."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        if not evidence.probing.run(partial(is_batch_first, probe)):
            continue
        mixing = evidence.probing.run(partial(first_mixing, probe))
        if mixing is None or mixing.operator.name not in KINDS or not mixing.operator.places:
            continue
        if exchanged(mixing.operator):
            continue  # reshape_exchanges_dimensions says more
        yield _finding(evidence, mixing)


def _finding(evidence: Evidence, mixing: Mixing) -> Finding:
    operator = mixing.operator
    place, shape = operator.places[0], list(operator.outputs[0].shape)
    is_batch_first = operator.name in SEQUENCES and not mixing.dim
    layer = layer_of(evidence, operator) if is_batch_first else None
    message = f"{place.text} mixes the samples of a batch"
    if is_batch_first:
        message = (
            f"{expected(layer.type if layer else 'this layer')}, so {place.text} treats the "
            "samples of the batch as time steps"
        )
    return Finding(
        kind=KINDS[operator.name],
        message=message,
        evidence=f"in a batch of {SAMPLES}, a change of one sample reaches the others from "
        f"this {operator.name} on, whose output has the shape {shape}",
        violates=(Law.SAMPLES_INDEPENDENT,),
        cause=location(layer.places if layer else operator.places),
        symptom=Location(place.file, place.line),
        subject=place.text,
        cases=("shape/batchnorm1d_wrong_axis" if is_batch_first else "batch/softmax_over_batch",),
        candidates=_repairs(evidence, mixing),
        confidence=8,
    )


def is_batch_first(probe: Probe) -> bool:
    """Return whether the first dimension of the inputs and of the output is surely the batch."""
    first = tensors(probe.subject.inputs(SAMPLES))[0]
    net = probe.subject.build().eval()
    more, output = (
        tensors(net.forward(probe.subject.inputs(count))) for count in (SAMPLES + 1, SAMPLES)
    )
    # A batch that is another dimension may have as many samples by chance.
    follows = all(tensor.ndim and len(tensor) == SAMPLES + 1 for tensor in more)
    rows = [tensor for tensor in output if follows and tensor.ndim and len(tensor) == SAMPLES]
    is_image = first.ndim >= IMAGES
    flat = all(tensor.ndim <= 2 for tensor in output)  # noqa: PLR2004  (one row for each sample)
    declared = any(getattr(m, "batch_first", False) for m in probe.network.modules())
    certain = is_image or flat or declared
    return bool(rows) and len(rows) == len(output) and first.ndim > 1 and certain


def first_mixing(probe: Probe) -> Mixing | None:
    """Return the first operator whose change is confined to no sample; None if none mixes."""
    for before, after in pairs_of_operators(probe):
        pairs = zip(before.outputs, after.outputs, strict=False)
        if not all(_is_confined(a, b) for a, b in pairs):
            return Mixing(before, _sample_dim(before, after))
    return None


def pairs_of_operators(probe: Probe) -> list[tuple[TracedOperator, TracedOperator]]:
    """Return the operators of two passes, of which the second one has another value of a sample.

    Empty if they are not the same operators.
    """
    traces = []
    for change in (False, True):
        net, inputs = probe.subject.build().eval(), probe.subject.inputs(SAMPLES)
        if change:
            inputs = map_tensors(inputs, changed)
        seed_all(0)
        traces.append(trace_call(lambda: net.forward(inputs)))  # noqa: B023  (called at once)
    (one, error), (two, other) = traces
    if error or other or [o.name for o in one] != [o.name for o in two]:
        return []
    return list(zip(one, two, strict=True))


def _sample_dim(before: TracedOperator, after: TracedOperator) -> int:
    """Return the dimension of the first input that is made of samples; 0 if it is not known."""
    one, two = before.inputs[0], after.inputs[0]
    if one.shape != two.shape:
        return 0
    different = ~torch.isclose(one, two, rtol=1e-4, atol=1e-6, equal_nan=True)
    found = (dim for dim in range(one.ndim) if is_confined_along(different, dim))
    return next(found, 0)


def changed(tensor: torch.Tensor) -> torch.Tensor:
    """Return a batch with another value of one sample."""
    if not tensor.ndim or len(tensor) != SAMPLES:
        return tensor
    other = tensor.clone()
    if tensor.is_floating_point():
        other[CHANGED] = other[CHANGED] * -0.5 + 0.3 * tensor.abs().max() + 0.1
    else:
        other[CHANGED] = tensor[CHANGED].flip(0) if tensor.ndim > 1 else tensor[0]
    return other


def _is_confined(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two results differ only in what belongs to the changed sample."""
    if a.shape != b.shape:
        return True  # it depends on the values: no statement
    different = ~torch.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
    if not a.ndim or not bool(different.any()):
        return True
    return any(is_confined_along(different, dim) for dim in range(a.ndim))


def is_confined_along(different: torch.Tensor, dim: int) -> bool:
    """Return whether all differences are of the changed sample, if `dim` is made of samples."""
    size = different.shape[dim]
    if size % SAMPLES:
        return False
    found = different.movedim(dim, 0).reshape(size, -1).any(1).nonzero().flatten().tolist()
    each = size // SAMPLES
    blocks = all(index // each == CHANGED for index in found)
    return blocks or all(index % SAMPLES == CHANGED for index in found)


def _repairs(evidence: Evidence, mixing: Mixing) -> tuple[Candidate, ...]:
    operator = mixing.operator
    site = site_of(evidence, operator.places)
    if site is None:
        return ()
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if operator.name in SOFTMAX | NORMS:
        is_method = site.receiver not in {"", "F", "torch", "nn.functional", "torch.nn.functional"}
        node = argument(site.call, "dim", 0 if is_method else 1)
        if node is not None:
            attempts.append((0, partial(edits.replace, site.source, [(node, "1")])))
            attempts.append((1, partial(edits.replace, site.source, [(node, "-1")])))
        else:
            attempts += _in_constructor(evidence, site, "dim", "1")
    if operator.name in SEQUENCES:
        attempts += with_batch_first(evidence, operator)
    if operator.name in {"view", "reshape"} and site.call.args:
        attempts += _batch_first(site, mixing.dim)
    return candidates(*attempts)


def _in_constructor(
    evidence: Evidence, site: Site, name: str, value: str
) -> list[tuple[int, Callable[[], Patch]]]:
    """Return patches that set an argument where the called layer is constructed."""
    called = site.called.rpartition(".")[2]
    for built in evidence.record.constructions:
        place = built.places[0] if built.places else None
        source = evidence.source(place.file) if place else None
        call = source.call_at(place) if source and place else None
        statement = source.statement_of(call) if source and call else None
        if source is None or call is None or not isinstance(statement, ast.Assign):
            continue
        target = statement.targets[0]
        if isinstance(target, ast.Attribute) and target.attr == called:
            return [(0, partial(edits.set_argument, source, call, name, None, value))]
    return []


def _batch_first(site: Site, dim: int) -> list[tuple[int, Callable[[], Patch]]]:
    """Return patches that keep the samples in the first dimension."""
    text, call = site.source.text_of, site.call
    owner = text(call.args[0]) if site.receiver == "torch" else site.receiver
    found: list[tuple[int, Callable[[], Patch]]] = []
    if dim and isinstance(call.func, ast.Attribute) and site.receiver != "torch":
        arguments = ", ".join(text(argument) for argument in call.args)
        new = f"{owner}.transpose(0, {dim}).reshape({arguments})"
        found.append((0, partial(edits.replace, site.source, [(call, new)])))
    new = f"{owner}.flatten(1)"
    return [*found, (1, partial(edits.replace, site.source, [(call, new)]))]
