"""Facts of the modules of a network, read before its first forward pass."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.observe.modes import depends_on_mode

if TYPE_CHECKING:
    from types import CodeType

MODULES = 2_000  # that are read of one network


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What the rules need to know of one module.

    `frozen_attribute` is whether the module has an attribute `requires_grad`, which torch ignores.
    `train_file` and `train_line` are where its class overrides train(); empty and 0 if it does
    not. `modal_children` is whether a module inside depends on train mode.
    """

    path: str
    type: str
    frozen_attribute: bool
    train_file: str
    train_line: int
    modal_children: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """The modules of one network, its own first."""

    network: weakref.ref[nn.Module]
    modules: tuple[ModuleFacts, ...]


def structure_of(root: nn.Module) -> Structure:
    """Return the facts of a network and of the modules inside."""
    named = list(root.named_modules())[:MODULES]
    return Structure(weakref.ref(root), tuple(_facts(path, module) for path, module in named))


def _facts(path: str, module: nn.Module) -> ModuleFacts:
    code = _train_code(module)
    inside = code is not None and any(
        depends_on_mode(child) for child in module.modules() if child is not module
    )
    return ModuleFacts(
        path=path,
        type=type(module).__name__,
        frozen_attribute=isinstance(vars(module).get("requires_grad"), bool),
        train_file=code.co_filename if code else "",
        train_line=code.co_firstlineno if code else 0,
        modal_children=inside,
    )


def _train_code(module: nn.Module) -> CodeType | None:
    """Return the code of an overridden train(); None if it is torch's own."""
    for owner in type(module).__mro__:
        if owner is nn.Module:
            return None
        if "train" in vars(owner):
            return getattr(vars(owner)["train"], "__code__", None)
    return None
