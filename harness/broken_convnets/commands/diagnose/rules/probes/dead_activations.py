"""A ReLU lets something through."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success, site_of
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.traced_forward import TracedOperator

ACTIVATIONS = frozenset({"relu", "relu_"})
LAYERS = frozenset({"conv1d", "conv2d", "conv3d", "linear"})
CONSTANTS = frozenset({"constant_", "fill_"})
ELEMENTS = 256  # of an output that can hardly be all zeros by chance


@rule(
    "each ReLU after a layer passes some of what it receives",
    stays_quiet="about outputs of fewer than 256 numbers, and activations that do not follow a "
    "layer with weights",
)
def dead_activation(evidence: Evidence) -> Iterator[Finding]:
    """Find a ReLU that returns only zeros, so that the layer before it receives no gradient."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        found = evidence.probing.run(partial(_dead, probe))
        if found is None:
            continue
        path, activation, highest = found
        constant = _negative_constant(evidence, f"{path}.bias")
        built = evidence.record.construction(probe.network.get_submodule(path))
        places = constant.places if constant else built.places if built else ()
        value = f": its bias is set to {constant.literals.get('val')}" if constant else ""
        yield Finding(
            kind="training/dying_relu",
            message=f"the ReLU after {path} returns only zeros, so {path} never learns",
            evidence=f"all {activation.numel()} numbers that {path} returns are below 0, the "
            f"highest is {highest:.3g}{value}",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(places),
            subject=path,
            module=path,
            cases=("training/dying_relu_negative_bias",),
            candidates=_without(evidence, constant) if constant else (),
            confidence=3,  # many other mistakes lead to it
        )


def _without(evidence: Evidence, constant: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, constant.places)
    if site is None:
        return ()
    return candidates((1, partial(edits.delete, site.source, site.statement)))


def _dead(probe: Probe) -> tuple[str, torch.Tensor, float] | None:
    """Return the layer before a ReLU of zeros, its output, and the highest number of that."""
    net = probe.subject.build().eval()
    operators = trace_call(lambda: net.forward(probe.subject.inputs()))[0]
    names = {parameter.data_ptr(): name for name, parameter in net.parameters().items()}
    for activation in operators:
        if activation.name not in ACTIVATIONS or not activation.outputs:
            continue
        output = activation.outputs[0]
        layer = _producer(operators, activation)
        if layer is None or output.numel() < ELEMENTS or bool(output.any()):
            continue
        weights = [names[one.data_ptr()] for one in layer.inputs if one.data_ptr() in names]
        path = weights[0].rpartition(".")[0] if weights else ""
        if path:
            return path, output, float(layer.outputs[0].max())
    return None


def _producer(operators: list[TracedOperator], activation: TracedOperator) -> TracedOperator | None:
    """Return the layer whose output an activation receives as it is."""
    received = {id(one) for one in activation.inputs}
    layers = (one for one in operators if one.name in LAYERS)
    return next((one for one in layers if received & set(map(id, one.results))), None)


def _negative_constant(evidence: Evidence, parameter: str) -> Operator | None:
    """Return what set a parameter to a negative constant."""
    own = {v for p in evidence.record.parameters if p.name == parameter for v in p.values}
    setters = (one for one in evidence.record.operators if one.name in CONSTANTS)
    return next((one for one in setters if own & set(one.changed)), None)
