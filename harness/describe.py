"""Say what a value is in one short line: `float32[4, 3, 8, 8]`, `None`, `(int64[4], None)`."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def describe(value: object) -> str:
    """Return the structure, dtypes and shapes of `value`.

    A tensor on another device than the default one is marked `@device`, one that holds
    an infinity or a NaN `non-finite`.
    """
    if isinstance(value, torch.Tensor):
        return _describe_tensor(value)
    if isinstance(value, tuple):
        inside = ", ".join(describe(item) for item in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, list):
        return f"[{', '.join(describe(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    return "None" if value is None else type(value).__name__


def _describe_tensor(tensor: torch.Tensor) -> str:
    text = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    if tensor.device.type != torch.empty(0).device.type:
        text += f"@{tensor.device.type}"
    holds_numbers = tensor.layout is torch.strided and tensor.device.type != "meta"
    if not holds_numbers or not (tensor.is_floating_point() or tensor.is_complex()):
        return text
    return text if bool(torch.isfinite(tensor).all()) else f"{text} non-finite"
