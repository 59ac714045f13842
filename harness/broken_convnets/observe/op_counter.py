"""Count what a forward pass asks of torch: operators, FLOPs, bytes; the same on every run."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from torch.utils.flop_counter import FlopCounterMode

from broken_convnets.observe.recorder import Options, Recorder

if TYPE_CHECKING:
    import torch

    from broken_convnets.observe.facts import Cost


def count_forward(net: torch.nn.Module, inputs: tuple[Any, ...]) -> Cost:
    """Return the cost of `net(*inputs)`; call it without autograd, whose graph holds memory.

    An uncounted pass comes first: what a network sets up at its first use is not part of the
    cost of a pass. Raises whatever the network raises.
    """
    net(*inputs)
    collects = gc.isenabled()
    gc.disable()  # when cycles are freed must not depend on what ran before
    recorder = Recorder(Options(dispatch=True))
    assert recorder.dispatch is not None  # noqa: S101  (for the type checker)
    try:
        # The mode entered last sees an operator first, before FLOPs are taken from its parts.
        with FlopCounterMode(display=False) as flops, recorder:
            net(*inputs)
    finally:
        if collects:
            gc.enable()
    cost: Cost = recorder.dispatch.cost(int(flops.get_total_flops()))
    return cost
