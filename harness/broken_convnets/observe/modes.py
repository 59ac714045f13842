"""Which layers of a network behave differently in train mode and in eval mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

if TYPE_CHECKING:
    from torch import nn


def modal_layers(net: nn.Module) -> list[nn.Module]:
    """Return the layers that depend on the mode."""
    return [layer for layer in net.modules() if depends_on_mode(layer)]


def depends_on_mode(layer: nn.Module) -> bool:
    """Return whether train mode changes what a layer does; not if it is a frozen normalization.

    Nor if it is dropout with a probability of 0, or normalization without running statistics.
    """
    if isinstance(layer, _DropoutNd):
        return bool(layer.p > 0)
    return isinstance(layer, _NormBase) and bool(layer.track_running_stats) and not is_frozen(layer)


def is_frozen(layer: nn.Module) -> bool:
    """Return whether a layer has parameters and none of them is trained."""
    own = list(layer.parameters())
    return bool(own) and not any(parameter.requires_grad for parameter in own)
