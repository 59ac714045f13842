"""Watch what a run does with its network: forward passes, backward passes, optimizer steps."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

if TYPE_CHECKING:
    from types import TracebackType


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
    _delivered: dict[str, torch.Tensor] = field(default_factory=dict)
    _handles: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._handles = [
            self.net.register_forward_pre_hook(self._on_call),
            register_optimizer_step_pre_hook(self._on_step),
            *(
                parameter.register_hook(lambda gradient, n=name: self._on_gradient(n, gradient))
                for name, parameter in self.net.named_parameters()
                if parameter.requires_grad
            ),
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()

    def _on_call(self, *_: object) -> None:
        modes = {layer.training for layer in modal_layers(self.net)}
        self.calls.append(Call(True in modes, False in modes, torch.is_grad_enabled()))

    def _on_gradient(self, name: str, gradient: torch.Tensor) -> None:
        self.backwards = True
        before = self._delivered.get(name)
        self._delivered[name] = gradient.clone() if before is None else before + gradient

    def _on_step(self, *_: object) -> None:
        stale = [
            name
            for name, parameter in self.net.named_parameters()
            if parameter.grad is not None and not self._is_fresh(name, parameter.grad)
        ]
        self.steps.append(Step(self.calls, stale))
        self.calls, self._delivered = [], {}

    def _is_fresh(self, name: str, gradient: torch.Tensor) -> bool:
        delivered = self._delivered.get(name)
        if delivered is None:
            return not gradient.any()
        return bool(torch.allclose(gradient, delivered, rtol=1e-4, atol=1e-6, equal_nan=True))


def modal_layers(net: nn.Module) -> list[nn.Module]:
    """Return the layers that train mode changes, frozen normalisation excepted."""
    dropout, norm = nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase  # noqa: SLF001
    return [
        layer
        for layer in net.modules()
        if isinstance(layer, dropout) or (isinstance(layer, norm) and not is_frozen(layer))
    ]


def is_frozen(layer: nn.Module) -> bool:
    """Return whether a layer has parameters and none of them is trained."""
    own = list(layer.parameters())
    return bool(own) and not any(parameter.requires_grad for parameter in own)
