"""Watch what a run does with its network: forward passes, backward passes, optimizer steps."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook


@dataclass(frozen=True)
class Call:
    """A forward pass of the whole network."""

    training: bool  # some layer behaves as in training
    evaluating: bool  # some layer that could behave as in training does not
    recorded: bool  # autograd was on


@dataclass(frozen=True)
class Step:
    """An optimizer step: the forward passes since the last one, and stale gradients by name."""

    calls: list[Call]
    stale: list[str]


@dataclass
class Watch(AbstractContextManager["Watch"]):
    """Records one run of a network; hooks are removed on exit whatever happens."""

    net: nn.Module
    calls: list[Call] = field(default_factory=list)  # that no step has followed
    steps: list[Step] = field(default_factory=list)
    backwards: bool = False
    _delivered: set[str] = field(default_factory=set)
    _stale: list[str] = field(default_factory=list)
    _hooked: set[torch.Tensor] = field(default_factory=set)  # tensors hash by identity
    _handles: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._handles = [
            self.net.register_forward_pre_hook(self._on_call),
            register_optimizer_step_pre_hook(self._on_step),
        ]
        self._hook_parameters()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()

    def _on_call(self, *_: object) -> None:
        modes = {layer.training for layer in modal_layers(self.net)}
        self.calls.append(Call(True in modes, False in modes, torch.is_grad_enabled()))
        self._hook_parameters()  # the run may have replaced or thawed some

    def _hook_parameters(self) -> None:
        for name, parameter in self.net.named_parameters():
            if parameter.requires_grad and parameter not in self._hooked:
                hook = functools.partial(self._on_gradient, name, parameter)
                self._hooked.add(parameter)
                self._handles.append(parameter.register_hook(hook))

    def _on_gradient(self, name: str, parameter: torch.Tensor, _: torch.Tensor) -> None:
        """Run before backward adds to `parameter.grad`: what is there now is from before."""
        self.backwards = True
        if name not in self._delivered and _is_left(parameter):
            self._stale.append(name)
        self._delivered.add(name)

    def _on_step(self, *_: object) -> None:
        left = [
            name
            for name, parameter in self.net.named_parameters()
            if name not in self._delivered and _is_left(parameter)
        ]
        self.steps.append(Step(self.calls, self._stale + left))
        self.calls, self._stale, self._delivered = [], [], set()


def _is_left(parameter: torch.Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def modal_layers(net: nn.Module) -> list[nn.Module]:
    """Return the layers that train mode changes, frozen normalisation excepted."""
    dropout, norm = nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase  # noqa: SLF001  (they have no public base)
    return [
        layer
        for layer in net.modules()
        if isinstance(layer, dropout) or (isinstance(layer, norm) and not is_frozen(layer))
    ]


def is_frozen(layer: nn.Module) -> bool:
    """Return whether a layer has parameters and none of them is trained."""
    own = list(layer.parameters())
    return bool(own) and not any(parameter.requires_grad for parameter in own)
