"""Check a network before any real work: one pass over fake tensors, which have no values."""

from __future__ import annotations

import copy
import logging
import random
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from broken_convnets.commands.trace.dtypes import OneDtype
from broken_convnets.commands.trace.table import printable
from broken_convnets.commands.trace.trace import Tracing
from broken_convnets.observe.without_values import needs_values

if TYPE_CHECKING:
    from collections.abc import Iterator


class Check:
    """The result of a check. `ok` is whether the pass over fake tensors ran to its end.

    `tracing` has the table and the failure. `hazards` are facts about the network that will fail
    on another device or with a saved state, `unknown` is what could not be checked.
    """

    def __init__(self, tracing: Tracing, hazards: list[str], unknown: list[str]) -> None:
        """Start from the result."""
        self.tracing = tracing
        self.hazards = hazards
        self.unknown = unknown

    @property
    def ok(self) -> bool:
        """Whether nothing failed that could be checked."""
        return self.tracing.error is None

    def __str__(self) -> str:
        """Return the table, the failure, the hazards and what was not checked."""
        verdict = "no problem found" if self.ok else "the network fails"
        if self.ok and self.unknown:
            verdict += " in what could be checked"
        lines = [str(self.tracing), verdict]
        lines += [f"hazard: {text}" for text in self.hazards]
        lines += [f"not checked: {text}" for text in self.unknown]
        return "\n".join(line for line in lines if line)


def check(net: nn.Module, /, *inputs: Any, **keywords: Any) -> Check:
    """Run one forward pass on fake tensors: dtypes, shapes and devices are real, values are not.

    The pass runs on a copy whose tensors need no memory, on any device, whether or not it exists
    here. The network, its inputs and the random generators stay as they are. Nothing that the
    network raises is raised. What depends on values is not checked, and listed as unknown.
    Raises TypeError if `net` is not a module.
    """
    if not isinstance(net, nn.Module):
        message = f"the first argument must be a network, an nn.Module, not {type(net).__name__}"
        raise TypeError(message)
    net = getattr(net, "_orig_mod", net)  # of torch.compile
    hazards = [*_devices(net), *_plain_tensors(net)]
    tracing = Tracing()
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        copied, (values, named) = _fake_copy(net, (inputs, keywords), mode)
    except Exception as error:  # noqa: BLE001  (a module may define how it is copied)
        why = printable(f"{type(error).__name__}: {error}")
        return Check(tracing, hazards, [f"the network cannot be copied ({why})"])
    with _undisturbed(), mode, OneDtype():
        tracing.run(copied, values, named)
    return Check(tracing, hazards, _unknown(tracing))


def _fake_copy(net: nn.Module, values: Any, mode: FakeTensorMode) -> tuple[nn.Module, Any]:
    """Return a copy of a network and of its inputs in which every tensor is a fake one."""
    script = next((m for m in net.modules() if isinstance(m, torch.jit.ScriptModule)), None)
    if script is not None:
        message = f"{type(script).__name__} runs as TorchScript"
        raise TypeError(message)
    memo: dict[int, Any] = {}

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in memo:
            memo[id(tensor)] = _fake(tensor, mode)
        found: torch.Tensor = memo[id(tensor)]
        return found

    values = pytree.tree_map(lambda v: fake(v) if isinstance(v, torch.Tensor) else v, values)
    for owner in net.modules():
        for tensor in _tensors_of(owner):
            fake(tensor)
    return copy.deepcopy(net, memo), values


def _fake(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    faked: torch.Tensor = mode.from_tensor(tensor.detach())
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(faked, requires_grad=tensor.requires_grad)
    return faked.requires_grad_(tensor.requires_grad)


def _tensors_of(owner: nn.Module) -> list[torch.Tensor]:
    registered = [*owner._parameters.values(), *owner._buffers.values()]  # noqa: SLF001  (those of this module alone)
    attributes = [tensor for _, tensor in _attributes(owner)]
    return [t for t in (*registered, *attributes) if isinstance(t, torch.Tensor)]


def _attributes(owner: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Return the tensors of a module that are plain attributes, with their names."""
    return [
        (name, leaf)
        for name, value in vars(owner).items()
        if name not in {"_parameters", "_buffers", "_modules"}
        for leaf in pytree.tree_flatten(value)[0]
        if isinstance(leaf, torch.Tensor)
    ]


def _devices(net: nn.Module) -> list[str]:
    """Return a sentence if parameters and buffers are on several devices."""
    places: dict[str, list[str]] = {}
    for name, tensor in (*net.named_parameters(), *net.named_buffers()):
        places.setdefault(str(tensor.device), []).append(name)
    if len(places) < 2:  # noqa: PLR2004  (one device is as it should be)
        return []
    texts = [f"{device} ({_some(names)})" for device, names in places.items()]
    return [f"parameters and buffers are on several devices: {', '.join(texts)}"]


def _some(names: list[str]) -> str:
    shown, rest = ", ".join(map(printable, names[:3])), names[3:]
    return f"{shown} and {len(rest)} more" if rest else shown


def _plain_tensors(net: nn.Module) -> list[str]:
    """Return a sentence for each tensor that `.to()` and `state_dict()` leave out."""
    return [
        f"{printable(f'{path}.{name}' if path else name)} is a plain tensor: .to() and "
        "state_dict() leave it out; register it with register_buffer()"
        for path, owner in net.named_modules()
        for name, tensor in _attributes(owner)
        if not isinstance(tensor, nn.Parameter)
    ]


def _unknown(tracing: Tracing) -> list[str]:
    """Return what could not be checked; a failure for want of values is taken back."""
    error = tracing.error
    if error is None:
        return []
    if not needs_values(error):
        return []
    place = tracing.failure
    at = (
        f" at `{printable(place.expression)}` ({place.file}:{place.line})"
        if place and place.expression
        else ""
    )
    tracing.take_back()
    return [f"the network reads values{at}; nothing after that was checked"]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Restore the random generators afterwards, and silence the log of fake tensors."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    former, numbers, state = log.disabled, np.random.get_state(), random.getstate()  # noqa: NPY002  (the global generator)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.callback(random.setstate, state)
        stack.callback(np.random.set_state, numbers)
        stack.callback(setattr, log, "disabled", former)
        log.disabled = True
        yield
