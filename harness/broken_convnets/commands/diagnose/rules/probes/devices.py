"""A network creates its tensors on the device of its inputs."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import NotApplicable, rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import move
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.traced_forward import TracedOperator

DEVICE = re.compile(r"\bdevice\b|\.cuda\b")
ELSEWHERE = torch.device("meta")
ACCEPTS_ANY = frozenset({"__getitem__", "__setitem__", "to", "type_as", "copy_", "index_put_"})
MOVES = frozenset({"to", "cuda"})
FACTORIES = frozenset(
    {"zeros", "ones", "arange", "linspace", "tensor", "full", "eye", "rand", "randn", "randint"}
    | {"randperm", "empty", "as_tensor", "from_numpy", "hann_window", "normal", "logspace"}
)


@rule(
    "a forward pass creates tensors on the device of its inputs",
    stays_quiet="if the network needs values that only a real device computes, about tensors that "
    "the program moves itself, and about programs that train and mention no device",
)
def created_on_cpu(evidence: Evidence) -> Iterator[Finding]:
    """Find the tensors that stay on the CPU when a copy of a network runs on another device."""
    require_success(evidence)
    if _is_for_cpu(evidence):
        reason = "the program trains on the CPU and mentions no other device"
        raise NotApplicable(reason)
    evidence.probing.require_any()
    for probe in evidence.probing.probes:
        operator = evidence.probing.run(partial(_factory, probe))
        if operator is None or not operator.places or _chooses_device(evidence, operator):
            continue
        place = operator.places[0]
        yield Finding(
            kind="device/new_tensor_on_cpu",
            message=f"{place.text} is on the CPU whatever the device of the network",
            evidence=f"forward() combines this {list(operator.outputs[0].shape)} tensor with those "
            "of the network: on a GPU, it fails",
            violates=(Law.MOVES_AS_ONE,),
            cause=Location(place.file, place.line),
            subject=place.text,
            cases=("device/tensor_created_on_cpu_in_forward",),
            candidates=_repairs(evidence, operator),
            confidence=6,
        )


def _is_for_cpu(evidence: Evidence) -> bool:
    """Return whether a program trains and mentions no device: the CPU is its choice."""
    mentioned = any(DEVICE.search(source.text) for source in evidence.user_sources)
    return evidence.record.backward_passes.count > 0 and not mentioned


def _chooses_device(evidence: Evidence, operator: TracedOperator) -> bool:
    """Return whether the call names a device that is computed, as one that the program chose."""
    site = site_of(evidence, operator.places)
    device = argument(site.call, "device") if site else None
    return device is not None and not isinstance(device, ast.Constant)


def _factory(probe: Probe) -> TracedOperator | None:
    """Return the operator that creates a tensor on the CPU which a later one cannot use."""
    net = probe.subject.build().eval()
    net.module.to(ELSEWHERE)
    inputs = move(probe.subject.inputs(), ELSEWHERE)
    trace, _ = trace_call(lambda: net.forward(inputs))
    made = {id(result): o for o in trace for result in o.results if not o.inputs}
    for operator in trace:
        there = [t for t in operator.inputs if t.device == ELSEWHERE]
        here = [t for t in operator.inputs if t.device != ELSEWHERE and t.ndim]
        if not here:
            continue
        origin = made.get(id(here[0])) or _origin(trace, here[0])
        if there and operator.name not in ACCEPTS_ANY:
            found = origin is not None and origin.name in FACTORIES
            return origin if found and not _is_moved(trace, here[0]) else None
    return None


def _is_moved(trace: list[TracedOperator], tensor: torch.Tensor) -> bool:
    """Return whether the program itself moves a tensor, or what it is computed from."""
    for operator in reversed(trace):
        if operator.name in MOVES and any(one is tensor for one in operator.inputs):
            return True
        computes = any(one is tensor for one in operator.results) and operator.inputs
        if computes and operator.inputs[0] is not tensor:  # not in place
            return _is_moved(trace, operator.inputs[0])
    return False


def _origin(trace: list[TracedOperator], tensor: torch.Tensor) -> TracedOperator | None:
    """Return the operator without inputs from which a tensor is computed."""
    for operator in reversed(trace):
        if any(result is tensor for result in operator.results):
            return operator if not operator.inputs else _origin(trace, operator.inputs[0])
    return None


def _repairs(evidence: Evidence, operator: TracedOperator) -> tuple[Candidate, ...]:
    site = site_of(evidence, operator.places)
    function = site.source.function_of(site.call) if site else None
    if site is None or function is None:
        return ()
    names = [argument.arg for argument in function.args.args if argument.arg not in {"self", "cls"}]
    tensor = next((name for name in names if _has_shape(function, name)), names[0] if names else "")
    if not tensor:
        return ()
    return candidates((0, partial(_on_device, site, f"{tensor}.device")))


def _has_shape(function: ast.AST, name: str) -> bool:
    """Return whether a function uses one of its parameters as a tensor."""
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        and node.attr in {"shape", "size", "device", "dtype", "view", "flatten"}
        for node in ast.walk(function)
    )


def _on_device(site: Site, device: str) -> edits.Patch:
    if site.called.endswith("from_numpy"):
        new = f"{site.source.text_of(site.call)}.to({device})"
        return edits.replace(site.source, [(site.call, new)])
    return edits.set_argument(site.source, site.call, "device", None, device)
