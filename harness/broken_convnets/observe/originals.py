"""Notice that a program has replaced functions that its process needs to answer the judge.

Laws ask that process for gradients, exports and records. The answers mean something only if the
functions that produce them are the original ones. Few are compared: each look at an object costs
a forked process a copy of its page.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = f"{__name__.rpartition('.')[0]}."
OWNERS: dict[object, tuple[str, ...]] = {
    torch.autograd: ("backward", "grad"),
    torch.Tensor: ("__torch_function__", "backward", "detach", "grad", "requires_grad_"),
    nn.Module: (
        *("__call__", "__getattr__", "__setattr__", "_call_impl", "_wrapped_call_impl", "buffers"),
        *("eval", "load_state_dict", "modules", "named_buffers", "named_modules"),
        *("named_parameters", "parameters", "state_dict", "to", "train"),
    ),
    torch.optim.Adam: ("step",),
    torch.optim.Optimizer: ("__init__", "zero_grad"),
}

Snapshot = dict[str, tuple[object, dict[str, Any]]]  # by name: a module or class, and functions

_before: Snapshot = {}


def remember() -> None:
    """Remember the functions as they are now; call it before any program runs."""
    if _before:
        return
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one replaces Adam.step
    for owner, names in OWNERS.items():
        present = {name: vars(owner)[name] for name in names if name in vars(owner)}
        _before[f"torch {getattr(owner, '__name__', '')}"] = owner, present
    if hasattr(getattr(torch, "export", None), "export"):
        _before["torch.export"] = torch.export, {"export": torch.export.export}
    for name, module in list(sys.modules.items()):
        if name.startswith(PACKAGE) and isinstance(module, ModuleType):
            _before[name] = module, _functions(vars(module))
            for key, kind in list(vars(module).items()):
                if isinstance(kind, type) and kind.__module__ == name:
                    _before[f"{name}.{key}"] = kind, _functions(vars(kind))


def replaced() -> list[str]:
    """Return the names of the modules and classes whose functions were replaced."""
    gone = [
        name
        for name, (owner, _) in _before.items()
        if isinstance(owner, ModuleType) and sys.modules.get(owner.__name__) is not owner
    ]
    changed = [
        f"{name}.{key}"
        for name, (owner, functions) in _before.items()
        for now in [vars(owner)]
        for key, value in functions.items()
        if now.get(key) is not value
    ]
    return gone + changed


def _functions(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the functions and classes among `names` that this package defines."""
    return {
        name: value
        for name, value in names.items()
        if callable(value) and str(getattr(value, "__module__", "")).startswith(PACKAGE)
    }
