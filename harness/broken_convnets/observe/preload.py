"""Load torch so that a forked child pays for nothing and inherits no thread."""

from __future__ import annotations

import os
from typing import Any

# Asks the driver's management library instead of initialising CUDA, which forbids a fork.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

import torch
from torch import nn


def configure() -> None:
    """Make this process deterministic and single-threaded; call before any operator runs.

    A process that has run an operator on two threads makes its forked children hang.
    """
    torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:  # torch refuses to set it twice
        torch.set_num_interop_threads(1)
    torch.set_warn_always(True)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_thread_pool)
    if torch.get_num_threads() != 1:
        message = "torch does not keep to one thread: a forked child could hang"
        raise RuntimeError(message)


def warm_up() -> None:
    """Import and run once what a program or a law would otherwise load in every child.

    Forward passes only: the first backward pass starts one thread per CUDA device.
    """
    import PIL.Image  # noqa: PLC0415, F401  (for the children)
    import torchvision.transforms.v2  # noqa: PLC0415, F401  (likewise)

    from broken_convnets.observe import op_counter, originals, run  # noqa: PLC0415, F401  (likewise)

    net, inputs = sample()
    with torch.no_grad():
        op_counter.count_forward(net, inputs)
    dimension: Any = getattr(getattr(torch, "export", None), "Dim", None)
    if hasattr(dimension, "DYNAMIC"):
        shapes = ({0: dimension.DYNAMIC},)
        torch.export.export(net, inputs, dynamic_shapes=shapes, strict=False)
    originals.remember()
    net.to("meta")(*(tensor.to("meta") for tensor in inputs))


def sample() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """Return a network of the commonest layers, to be evaluated, and inputs for it."""
    layers = [nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(1, 2), nn.Softmax(dim=1)).eval()
    return net, (torch.zeros(3, 1, 2, 2),)


def _reset_thread_pool() -> None:
    """Replace the thread pool that a fork has spoiled; the first thing in a forked child.

    torch does so by itself at the first use, but not safely: when the autograd engine's
    thread and the main thread come to it at once, the process aborts with "Invalid thread
    pool!" (3 of 80 children, torch 2.14.1).
    """
    torch.set_num_threads(1)
