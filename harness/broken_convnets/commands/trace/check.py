"""Check a network before any real work: a pass over tensors that have a shape and no values."""

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
    """What a check found. `ok` is whether the pretended pass went through to its end.

    `tracing` holds the table and the failure. `hazards` are facts about the network that
    fail sooner or later, `unknown` what the check could not tell.
    """

    def __init__(self, tracing: Tracing, hazards: list[str], unknown: list[str]) -> None:
        """Keep what was found."""
        self.tracing = tracing
        self.hazards = hazards
        self.unknown = unknown

    @property
    def ok(self) -> bool:
        """Whether nothing failed, as far as could be told."""
        return self.tracing.error is None

    def __str__(self) -> str:
        """Return the table, the failure, the hazards and what is not known."""
        verdict = "the check found no disagreement" if self.ok else "the check found a failure"
        if self.ok and self.unknown:
            verdict += ", as far as it could look"
        lines = [str(self.tracing), verdict]
        lines += [f"hazard: {text}" for text in self.hazards]
        lines += [f"not known: {text}" for text in self.unknown]
        return "\n".join(line for line in lines if line)


def check(net: nn.Module, /, *inputs: Any, **keywords: Any) -> Check:
    """Run one pretended forward pass: dtypes, shapes and devices are real, values are not.

    The pass runs on a copy whose tensors take no memory, on any device, also one that is not
    here. The network, its inputs and the random generators stay as they are. Nothing that the
    network raises is raised. What depends on values is not checked, and said to be unknown.
    Raises TypeError where `net` is no module.
    """
    if not isinstance(net, nn.Module):
        message = f"the first argument must be a network, an nn.Module, not {type(net).__name__}"
        raise TypeError(message)
    net = getattr(net, "_orig_mod", net)  # of torch.compile
    hazards = [*_devices(net), *_plain_tensors(net)]
    tracing = Tracing()
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        pretended, (values, named) = _pretend(net, (inputs, keywords), mode)
    except Exception as error:  # noqa: BLE001  (what a module does when copied is its own affair)
        why = printable(f"{type(error).__name__}: {error}")
        return Check(tracing, hazards, [f"the network cannot be copied ({why})"])
    with _undisturbed(), mode, OneDtype():
        tracing.run(pretended, values, named)
    return Check(tracing, hazards, _unknown(tracing))


def _pretend(net: nn.Module, values: Any, mode: FakeTensorMode) -> tuple[nn.Module, Any]:
    """Return a copy of a network and of its inputs in which every tensor is a pretended one."""
    script = next((m for m in net.modules() if isinstance(m, torch.jit.ScriptModule)), None)
    if script is not None:
        message = f"{type(script).__name__} runs as TorchScript"
        raise TypeError(message)
    memo: dict[int, Any] = {}

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in memo:
            memo[id(tensor)] = _fake(tensor, mode)
        made: torch.Tensor = memo[id(tensor)]
        return made

    given = pytree.tree_map(lambda v: fake(v) if isinstance(v, torch.Tensor) else v, values)
    for owner in net.modules():
        for tensor in _tensors_of(owner):
            fake(tensor)
    return copy.deepcopy(net, memo), given


def _fake(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    made: torch.Tensor = mode.from_tensor(tensor.detach())
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made.requires_grad_(tensor.requires_grad)


def _tensors_of(owner: nn.Module) -> list[torch.Tensor]:
    registered = [*owner._parameters.values(), *owner._buffers.values()]  # noqa: SLF001  (those of this module alone)
    attributes = [tensor for _, tensor in _attributes(owner)]
    return [t for t in (*registered, *attributes) if isinstance(t, torch.Tensor)]


def _attributes(owner: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Return the tensors that a module holds without having registered them, with their names."""
    return [
        (name, leaf)
        for name, value in vars(owner).items()
        if name not in {"_parameters", "_buffers", "_modules"}
        for leaf in pytree.tree_flatten(value)[0]
        if isinstance(leaf, torch.Tensor)
    ]


def _devices(net: nn.Module) -> list[str]:
    """Return a sentence where parameters and buffers are on several devices."""
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
    """Return a sentence for each tensor that `.to()` and `state_dict()` would leave out."""
    return [
        f"{printable(f'{path}.{name}' if path else name)} is a plain tensor: .to() and "
        "state_dict() leave it out; register_buffer() does not"
        for path, owner in net.named_modules()
        for name, tensor in _attributes(owner)
        if not isinstance(tensor, nn.Parameter)
    ]


def _unknown(tracing: Tracing) -> list[str]:
    """Return what the pass could not tell; a failure that is only that is taken back."""
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
    return [f"the network looks at values{at}; what comes after that was not checked"]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the random generators as they are, and torch's log silent."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    former, numbers, state = log.disabled, np.random.get_state(), random.getstate()  # noqa: NPY002  (the global generator)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.callback(random.setstate, state)
        stack.callback(np.random.set_state, numbers)
        stack.callback(setattr, log, "disabled", former)
        log.disabled = True
        yield
