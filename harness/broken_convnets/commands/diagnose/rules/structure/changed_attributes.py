"""The sizes that a layer declares are those of its weight."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import nn_name, targets_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@rule(
    "sizes of a layer are changed by a new layer, not by its attributes",
    stays_quiet="unless a line of the program assigns the attribute",
)
def size_attribute_changed(evidence: Evidence) -> Iterator[Finding]:
    """Find layers whose out_channels, for one, is not that of their weight."""
    seen: set[tuple[str, int]] = set()
    for network in evidence.record.kept_networks:
        for path, layer in network.named_modules():
            for name, size in _sizes(layer).items():
                if getattr(layer, name) == size:
                    continue
                found = _assignment(evidence, name)
                if found is None or (found[0].path, found[1].lineno) in seen:
                    continue
                seen.add((found[0].path, found[1].lineno))
                yield _finding(path, layer, name, found)


def _sizes(layer: nn.Module) -> dict[str, int | tuple[int, ...]]:
    """Return the sizes of a layer's weight by the attributes that declare them."""
    weight = getattr(layer, "weight", None)
    if weight is None or isinstance(weight, nn.UninitializedParameter):
        return {}
    if isinstance(layer, nn.Linear):
        return {"out_features": weight.shape[0], "in_features": weight.shape[1]}
    if isinstance(layer, CONVOLUTIONS):
        return {
            "out_channels": weight.shape[0],
            "in_channels": weight.shape[1] * layer.groups,
            "kernel_size": tuple(weight.shape[2:]),
        }
    if isinstance(layer, nn.Embedding):
        return {"num_embeddings": weight.shape[0], "embedding_dim": weight.shape[1]}
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        return {"num_features": weight.shape[0]}
    return {}


def _assignment(evidence: Evidence, name: str) -> tuple[Source, ast.Assign] | None:
    for source in evidence.user_sources:
        for node in source.nodes:
            if isinstance(node, ast.Assign):
                target = targets_of(node)[0]
                named = isinstance(target, ast.Attribute) and target.attr == name
                if named and not source.text_of(target).startswith(f"self.{name}"):
                    return source, node
    return None


def _finding(path: str, layer: nn.Module, name: str, found: tuple[Source, ast.Assign]) -> Finding:
    source, node = found
    return Finding(
        kind="training/unused_layer",
        message=f"assigning {name} of {path} does not change the layer",
        evidence=f"{name} is {getattr(layer, name)}, and the weight is still "
        f"{list(layer.weight.shape)}: the size is {_sizes(layer)[name]}",
        violates=(Law.OUTPUT_AS_DECLARED,),
        cause=Location(source.path, node.lineno),
        subject=path,
        module=path,
        cases=("module/out_channels_attribute_changed",),
        candidates=_new_layer(layer, name, source, node),
        confidence=9,
    )


def _new_layer(
    layer: nn.Module, name: str, source: Source, node: ast.Assign
) -> tuple[Candidate, ...]:
    target = targets_of(node)[0]
    if not isinstance(target, ast.Attribute):
        return ()
    owner, value = source.text_of(target.value), source.text_of(node.value)
    prefix = nn_name(source)
    if isinstance(layer, nn.Linear):
        sizes = [f"{owner}.in_features", f"{owner}.out_features"]
        sizes[name == "out_features"] = value
        new = f"{owner} = {prefix}.Linear({', '.join(sizes)})"
    elif isinstance(layer, CONVOLUTIONS) and name != "kernel_size":
        sizes = [f"{owner}.in_channels", f"{owner}.out_channels"]
        sizes[name == "out_channels"] = value
        rest = ", ".join(f"{a}={owner}.{a}" for a in ("kernel_size", "stride", "padding"))
        new = f"{owner} = {prefix}.{type(layer).__name__}({', '.join(sizes)}, {rest})"
    else:
        return ()
    return candidates((0, partial(edits.replace, source, [(node, new)])))
