"""The device on which a program creates its tensors."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch


def creating_on(device: torch.device | None) -> AbstractContextManager[object]:
    """Return a context in which new tensors are created on `device`; None changes nothing.

    Nor does the CPU, which is the default. `torch.device("cpu")` as a context is a Python function
    around every function of torch. It makes small networks slower, and gloo's threads need the
    interpreter's lock to release it, so that a process group can hang at its end (seen in torch
    2.6.0).
    """
    return nullcontext() if device is None or device.type == "cpu" else device
