"""Attributes of parameters and layers have the names that PyTorch reads."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.attributes import assigned, is_read
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.observe.near_names import meant_name, names_in_code
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.attributes import Assigned
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

FLAG = "requires_grad"
PLAIN = (bool, int, float)


@dataclass(frozen=True)
class Misspelled:
    """An attribute that PyTorch does not read, of a parameter or a layer at a path."""

    path: str
    type: str
    name: str
    meant: str
    value: object
    used: object  # value of the attribute that is meant


@rule(
    "attributes that are set on parameters and layers are ones that PyTorch reads",
    stays_quiet="about attributes that the program reads, that have the value of the attribute "
    "that is meant, or whose name is near none that PyTorch reads",
)
def attribute_is_not_read(evidence: Evidence) -> Iterator[Finding]:
    """Find `parameter.require_grad = False`, `layer.trainable = False` and `norm.epsilon = 1`."""
    seen: set[str] = set()
    for network in evidence.record.kept_networks:
        for found in (*_of_parameters(network), *_of_modules(network)):
            if found.name in seen:
                continue
            seen.add(found.name)
            places = assigned(evidence, found.name)
            place = next((p for p in places if isinstance(p.target, ast.Attribute)), None)
            if place is not None and not is_read(evidence, found.name):
                yield _finding(found, place)


def _of_parameters(network: nn.Module) -> Iterator[Misspelled]:
    for path, parameter in network.named_parameters():
        for name, value in vars(parameter).items():
            plain = isinstance(value, bool)
            over_a_method = name == f"{FLAG}_"
            known = hasattr(torch.Tensor, name) and not over_a_method
            meant = FLAG if over_a_method else meant_name(name, [FLAG])
            if plain and meant and not known and value != parameter.requires_grad:
                used = parameter.requires_grad
                yield Misspelled(path, "parameter", name, meant, value, used)


def _of_modules(network: nn.Module) -> Iterator[Misspelled]:
    for path, module in network.named_modules():
        kind = type(module)
        for name, value in vars(module).items():
            if not isinstance(value, PLAIN) or name in {FLAG, *names_in_code(kind)}:
                continue
            if isinstance(value, bool) and meant_name(name, [FLAG]):
                trained = any(p.requires_grad for p in module.parameters())
                if trained and not value:
                    yield Misspelled(path, kind.__name__, name, FLAG, value, trained)
            elif kind.__module__.startswith("torch.nn."):
                yield from _of_layer(path, module, name, value)


def _of_layer(path: str, layer: nn.Module, name: str, value: object) -> Iterator[Misspelled]:
    """Yield an attribute of a layer of torch that stands for another one of its attributes."""
    known = [one for one in vars(layer) if one in names_in_code(type(layer))]
    meant = meant_name(name, known)
    used = vars(layer).get(meant)
    if isinstance(used, PLAIN) and used != value:
        yield Misspelled(path, type(layer).__name__, name, meant, value, used)


def _finding(found: Misspelled, place: Assigned) -> Finding:
    flag = found.meant == FLAG
    shown = place.source.text_of(place.target)
    return Finding(
        kind="training/frozen_layers" if flag else "training/unused_layer",
        message=f"PyTorch does not read `{shown}`: it changes nothing",
        evidence=f"{found.path or 'the network'} ({found.type}) has {found.name} = {found.value}, "
        f"and its {found.meant} is still {found.used}",
        violates=(Law.PARAMETERS_AS_DECLARED,) if flag else (),
        cause=location_in(place.source, place.statement),
        subject=shown,
        module="" if found.type == "parameter" else found.path,
        cases=("training/requires_grad_on_module",) if flag else (),
        candidates=candidates((0, partial(_renamed, found, place))),
        confidence=9,
    )


def _renamed(found: Misspelled, place: Assigned) -> Patch:
    on_module = found.meant == FLAG and found.type != "parameter"
    new = f"{place.owner}.{found.meant} {place.sign} {place.value}"
    if on_module:
        new = f"{place.owner}.{FLAG}_({place.value})"
    return edits.replace(place.source, [(place.statement, new)])
