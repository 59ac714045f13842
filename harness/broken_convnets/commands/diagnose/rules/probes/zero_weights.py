"""Weights that are all zeros receive gradients, so that they can learn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success, site_of
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.places import Place

ROUNDS = 3  # of gradient descent: a zero weight behind another learns one round later
RATE = 0.1
INITIALIZERS = frozenset({"zeros_", "zero_", "constant_", "fill_"})


@rule(
    "weights that are all zeros receive gradients",
    stays_quiet="about zeros that learn, as the last layer of a residual branch or of a network "
    "does, about layers that are not used, and about vectors",
)
def weights_stay_zero(evidence: Evidence) -> Iterator[Finding]:
    """Find networks that are initialized with zeros, which no gradient descent ever leaves."""
    require_success(evidence)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        stuck = evidence.probing.run(partial(_stuck, probe)) if _zeros(probe.network) else []
        if not stuck:
            continue
        path = stuck[0].rpartition(".")[0]
        places = _set_at(evidence, stuck[0])
        built = evidence.record.construction(probe.network.get_submodule(path))
        yield Finding(
            kind="module/zero_initialization",
            message=f"{stuck[0]} is all zeros, and its gradient is zero too: it never learns",
            evidence=f"after {ROUNDS} steps of gradient descent on a copy of the network, this "
            f"still holds for {len(stuck)} weights: behind a layer of zeros, another one receives "
            "no signal and passes no gradient",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(places) or (location(built.places) if built else None),
            subject=stuck[0],
            module=path,
            cases=("module/zero_initialized_weights",),
            candidates=_random_instead(evidence, places),
            confidence=8,
        )


def _zeros(network: nn.Module) -> list[str]:
    """Return the names of the trained weights that are all zeros."""
    return [
        name
        for name, one in network.named_parameters()
        if one.requires_grad and one.ndim > 1 and one.numel() and not bool(one.any())
    ]


def _stuck(probe: Probe) -> list[str]:
    """Return the zero weights of a copy whose gradients stay zero."""
    net = probe.subject.build().eval()
    found = _zeros(net.module)
    parameters = {n: p for n, p in net.module.named_parameters() if p.requires_grad}
    for _ in range(ROUNDS):
        gradients = dict(zip(parameters, _gradients(net, probe, parameters), strict=True))
        moved = {name for name, one in gradients.items() if one is None or bool(one.any())}
        found = [name for name in found if name not in moved]
        with torch.no_grad():
            for name, gradient in gradients.items():
                if gradient is not None:
                    parameters[name] -= RATE * gradient
    return found


def _gradients(
    net: nn.Module, probe: Probe, parameters: dict[str, nn.Parameter]
) -> tuple[torch.Tensor | None, ...]:
    """Return the gradients of a random weighted sum of the outputs."""
    outputs = [one for one in tensors(net.forward(probe.subject.inputs())) if one.requires_grad]
    loss = sum((one * torch.randn_like(one)).sum() for one in outputs)
    found: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        loss, list(parameters.values()), allow_unused=True
    )
    return found


def _set_at(evidence: Evidence, name: str) -> tuple[Place, ...]:
    """Return where a parameter was filled with zeros; nothing if it was created so."""
    values = [v for p in evidence.record.parameters if p.name == name for v in p.values[:1]]
    setters = (evidence.record.producer(value) for value in values)
    return next((one.places for one in setters if one is not None), ())


def _random_instead(evidence: Evidence, places: tuple[Place, ...]) -> tuple[Candidate, ...]:
    """Return the change of `nn.init.zeros_(weight)` to `nn.init.kaiming_normal_(weight)`."""
    site = site_of(evidence, places)
    if site is None or called_name(site.call) not in INITIALIZERS or not site.call.args:
        return ()
    if not site.receiver.endswith("init"):
        return ()
    new = f"{site.receiver}.kaiming_normal_({site.source.text_of(site.call.args[0])})"
    return candidates((0, partial(edits.replace, site.source, [(site.call, new)])))
