"""The versions of what programs run with, and the devices that are available."""

from __future__ import annotations

import platform

import torch
import torchvision

from broken_convnets.observe.facts import RuntimeInfo, RuntimeRequest


def runtime(_request: RuntimeRequest) -> RuntimeInfo:
    """Return what this process would run programs with."""
    return RuntimeInfo(
        python=".".join(platform.python_version_tuple()[:2]),
        torch=torch.__version__.partition("+")[0],
        torchvision=torchvision.__version__.partition("+")[0],
        devices={"cpu": "", "cuda": _why_no_cuda()},
    )


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return "this build of torch has no CUDA"
    return "" if torch.cuda.is_available() else "no CUDA device"
