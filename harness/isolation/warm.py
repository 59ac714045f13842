"""Load torch so that a forked child pays for nothing and inherits no thread."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from pathlib import Path
from typing import Any

# Asks the driver's management library instead of initialising CUDA, which forbids a fork.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

import torch
import torchvision
from torch import nn

from ..facts import Hello

MADV_COLLAPSE = 25  # linux/mman.h, since Linux 6.1
HUGE_PAGE = 1 << 21  # bytes


def calm() -> None:
    """Make this process deterministic and single-threaded; call before any operator runs.

    A process that has run an operator on two threads makes its forked children hang.
    """
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.set_warn_always(True)
    if torch.get_num_threads() != 1:
        message = "torch does not keep to one thread: a forked child could hang"
        raise RuntimeError(message)


def preload() -> None:
    """Import and run once what a program or a law would otherwise load in every child.

    Forward passes only: the first backward pass starts one thread per CUDA device.
    """
    import PIL.Image  # noqa: PLC0415, F401  (for the children)
    import torchvision.transforms.v2  # noqa: PLC0415, F401  (likewise)

    from ..observation import counting, observe  # noqa: PLC0415, F401  (likewise)

    net, inputs = sample()
    with torch.no_grad():
        counting.count_forward(net, inputs)
    dimension: Any = getattr(getattr(torch, "export", None), "Dim", None)
    if hasattr(dimension, "DYNAMIC"):
        shapes = ({0: dimension.DYNAMIC},)
        torch.export.export(net, inputs, dynamic_shapes=shapes, strict=False)
    net.to("meta")(*(tensor.to("meta") for tensor in inputs))
    share()


def sample() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """Return a network of the commonest layers, to be evaluated, and inputs for it."""
    layers = [nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(1, 2), nn.Softmax(dim=1)).eval()
    return net, (torch.zeros(3, 1, 2, 2),)


def share() -> None:
    """Have children begin with what this process has loaded, at as little cost as can be."""
    gc.collect()
    gc.freeze()
    _collapse()


def _collapse() -> None:
    """Have what this process has allocated moved into huge pages, where the kernel can.

    A fork copies an entry for each page: with one for 2 MiB instead of one for 4 KiB it takes
    a third of the time. Nothing is lost where the kernel refuses.
    """
    maps = Path("/proc/self/maps")
    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    if madvise is None or not maps.exists():
        return
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in maps.read_text(encoding="utf-8").splitlines():
        span, rights, _, _, inode, *_ = line.split(maxsplit=5)
        start, stop = (int(address, 16) for address in span.split("-"))
        if inode == "0" and "w" in rights and stop - start >= HUGE_PAGE:  # no file's
            madvise(start, stop - start, MADV_COLLAPSE)


def settle() -> None:
    """Replace the thread pool that a fork has spoiled; call first in a forked child.

    torch does so by itself at the first use, but not safely: when the autograd engine's
    thread and the main thread come to it at once, the process aborts with "Invalid thread
    pool!" (3 of 80 children, torch 2.14.1).
    """
    torch.set_num_threads(1)


def hello(isolation: str) -> Hello:
    """Return what this process would run programs with."""
    return Hello(
        python=".".join(platform.python_version_tuple()[:2]),
        torch=torch.__version__.partition("+")[0],
        torchvision=torchvision.__version__.partition("+")[0],
        devices={"cpu": "", "cuda": _why_no_cuda()},
        isolation=isolation,
    )


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return "this build of torch has no CUDA"
    return "" if torch.cuda.is_available() else "no CUDA device"
