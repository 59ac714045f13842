"""Time a forward pass on the clock of this process, in short samples of one thread."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UPS = 3
SAMPLES = 15


def forward_call(net: torch.nn.Module, inputs: tuple[object, ...]) -> Callable[[], object]:
    """Return a call of `net` in eval and inference mode that waits for the device."""
    net.eval()
    synchronize = torch.cuda.synchronize if _on_cuda(net, inputs) else None

    def call() -> object:
        with torch.inference_mode():
            output = net(*inputs)
        if synchronize is not None:
            synchronize()
        return output

    return call


def forward_ns(forward: Callable[[], object], nothing: Callable[[], object]) -> float:
    """Return the median time of a forward pass in another process, in nanoseconds.

    `forward` requests it, and `nothing` is a request that does nothing, which takes the rest of
    the time.
    """
    return max(0.0, _median_ns(forward) - _median_ns(nothing))


def _median_ns(call: Callable[[], object]) -> float:
    """Return the median time of SAMPLES calls, after WARM_UPS unmeasured."""
    for _ in range(WARM_UPS):
        call()
    times = []
    for _ in range(SAMPLES):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times)


def _on_cuda(net: torch.nn.Module, inputs: tuple[object, ...]) -> bool:
    tensors = [*net.parameters(), *(value for value in inputs if isinstance(value, torch.Tensor))]
    return any(tensor.is_cuda for tensor in tensors)
