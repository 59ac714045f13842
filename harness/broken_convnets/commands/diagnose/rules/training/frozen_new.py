"""Layers that are new in a network with loaded weights are trained."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
WEIGHTS = 32  # elements, at least, to recognize how a layer is initialized
NEAR = 0.2  # of the standard deviation that nn.Linear and nn.Conv2d start with


@rule(
    "layers that are new in a network with loaded weights are trained",
    stays_quiet="unless other frozen layers of the network loaded weights and this one, which the "
    "program constructs itself, has the random weights that PyTorch starts with",
)
def new_layer_frozen(evidence: Evidence) -> Iterator[Finding]:
    """Find a layer that is frozen together with the pretrained ones, although it is random."""
    require_success(evidence)
    for forward in {id(p.network): p for p in evidence.record.passes if p.whole}.values():
        root = forward.network()
        if root is None or not evidence.flow.is_in_loss(forward):
            continue
        frozen = _frozen_layers(evidence, forward, root)
        loaded = _loaded(evidence, root)
        new = [path for path in frozen if f"{path}.weight" not in loaded]
        new = [path for path in new if _is_new(evidence, root.get_submodule(path))]
        if not new or not any(f"{path}.weight" in loaded for path in frozen):
            continue
        yield Finding(
            kind="training/frozen_layers",
            message=f"{new[0]} is frozen, but nothing loaded or trained its weights",
            evidence=f"{new[0]}.weight has requires_grad=False and the random values that "
            f"{type(root.get_submodule(new[0])).__name__} starts with; the other frozen layers "
            "loaded theirs",
            violates=(Law.PARAMETERS_AS_DECLARED,),
            cause=_freezing(evidence) or _constructed(evidence, root.get_submodule(new[0])),
            symptom=_constructed(evidence, root.get_submodule(new[0])),
            subject=new[0],
            module=new[0],
            cases=("training/frozen_new_layer",),
            confidence=6,
        )
        return


def _frozen_layers(evidence: Evidence, forward: ForwardPass, root: nn.Module) -> list[str]:
    """Return the paths of the layers that never required gradients; none if nothing trains."""
    facts = [evidence.record.parameters[number] for number in forward.parameters]
    frozen = {fact.name for fact in facts if not fact.ever_required_grad}
    trains = any(
        set(step.changed) & set(forward.parameters) for step in evidence.record.optimizer_steps
    ) or any(set(b.received) & set(forward.parameters) for b in evidence.record.backward_passes)
    if not trains or len(frozen) == len(facts):
        return []
    modules = root.named_modules()
    return [path for path, one in modules if isinstance(one, LAYERS) and f"{path}.weight" in frozen]


def _loaded(evidence: Evidence, root: nn.Module) -> set[str]:
    """Return the names of the parameters of a network that any load of weights reached."""
    paths = {id(module): path for path, module in root.named_modules()}
    names: set[str] = set()
    for load in evidence.record.weight_loads:
        module = load.module()
        if module is None or id(module) not in paths:
            continue
        prefix = f"{paths[id(module)]}." if paths[id(module)] else ""
        own = {name for name, _ in module.named_parameters()} - set(load.missing)
        names |= {prefix + name for name in own}
    return names


def _is_new(evidence: Evidence, layer: nn.Module) -> bool:
    """Return whether the program constructs a layer itself, with weights still as constructed."""
    built = evidence.record.construction(layer)
    weight = layer.weight if isinstance(layer, LAYERS) else None
    if built is None or not built.direct or weight is None or weight.numel() < WEIGHTS:
        return False
    bound = 1 / math.sqrt(weight[0].numel())
    with torch.no_grad():
        spread = float(weight.double().std()) * math.sqrt(3) / bound
        return float(weight.abs().max()) <= bound * (1 + 1e-6) and abs(spread - 1) < NEAR


def _freezing(evidence: Evidence) -> Location | None:
    """Return the only line that sets requires_grad; None if there are several."""
    found = [
        Location(source.path, node.lineno)
        for source in evidence.user_sources
        for node in source.nodes
        if _sets_requires_grad(node) and isinstance(node, ast.Assign | ast.Call)
    ]
    return found[0] if len(found) == 1 else None


def _sets_requires_grad(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Attribute) and t.attr == "requires_grad" for t in node.targets)
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr == "requires_grad_"


def _constructed(evidence: Evidence, layer: nn.Module) -> Location | None:
    built = evidence.record.construction(layer)
    return location(built.places) if built else None
