"""A network that is copied holds no tensor with a graph."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a network that is copied holds no tensor with a graph",
    stays_quiet="unless one assignment in the program sets the attribute that holds the tensor",
)
def tensor_with_graph_on_module(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.features = x` in a forward pass, after which `copy.deepcopy` fails."""
    frame = require_failure(evidence, RuntimeError)
    if "deepcopy protocol" not in evidence.message:
        return
    held = list(_held(frame))
    if len({attribute for _, attribute, _ in held}) != 1:
        return
    path, attribute, tensor = held[0]
    assignments = list(_assignments(evidence, attribute))
    if len(assignments) != 1:
        return
    source, value = assignments[0]
    text = source.text_of(value)
    simple = isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
    detached = f"{text}.detach()" if simple else f"({text}).detach()"
    owner = f"`{path}.{attribute}`" if path else f"`{attribute}`"
    yield Finding(
        kind="memory/outputs_kept_with_graph",
        message=f"{owner} of the network holds a tensor with its graph, which cannot be copied",
        evidence=f"it is {shortened(text)}, {list(tensor.shape)}, with "
        f"{type(tensor.grad_fn).__name__} as its grad_fn",
        cause=Location(source.path, value.lineno),
        symptom=frame_location(frame),
        subject=attribute,
        cases=("memory/outputs_kept_with_graph",),
        candidates=candidates((0, partial(edits.replace, source, [(value, detached)]))),
        confidence=10,
    )


def _held(frame: UserFrame) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Yield the tensors with a graph that the copied networks hold as plain attributes."""
    arguments = frame.call.args if frame.call else []
    for network in map(frame.value, arguments):
        if isinstance(network, nn.Module):
            for path, module in network.named_modules():
                for name, value in vars(module).items():
                    if isinstance(value, torch.Tensor) and value.grad_fn is not None:
                        yield path, name, value


def _assignments(evidence: Evidence, attribute: str) -> Iterator[tuple[Source, ast.expr]]:
    """Yield what the program assigns to attributes of this name, None and False aside.

    Of any object: hooks and training loops assign them too.
    """
    for source in evidence.user_sources:
        for node in source.nodes:
            if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant):
                targets = [t.attr for t in node.targets if isinstance(t, ast.Attribute)]
                if attribute in targets:
                    yield source, node.value
