"""The parameters that the networks of a program and of its pair begin with, so that they compare.

A program may name its layers in another way, and have more parameters than the pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.trees import detached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.observe.remote.subject import RemoteNetwork, RemoteProgram

Named = dict[str, torch.Tensor]


class OtherParametersError(Exception):
    """A program lacks parameters that both sides of its case have."""


@dataclass(frozen=True)
class Start:
    """Values of parameters by the name that a program has for them.

    `names` are the names that the fix has for those of the program.
    """

    values: Named = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def renamed(self, values: Named) -> Named:
        """Return values of parameters by the names of the fix."""
        return {self.names.get(name, name): value for name, value in values.items()}


Starts = tuple[Start, Start, Start]  # of the program, the fix and the case
NO_START: Starts = (Start(), Start(), Start())


def common_starts(sides: Iterable[RemoteProgram]) -> Starts | None:
    """Return a start of equal values for the program, the fix and the case.

    None if the fix has other parameters or buffers than the case. Raises OtherParametersError if
    the program lacks some that both have.
    """
    networks = [side.build() for side in sides]
    program, fixed, broken = (detached(net.parameters()) for net in networks)
    if _shapes(fixed) != _shapes(broken) or not _same_buffers(*networks[1:]):
        return None
    names = _partners(fixed, program)
    if len(names) < len(fixed):
        raise OtherParametersError
    ours = Start(
        {names[name]: value for name, value in fixed.items()}, {v: k for k, v in names.items()}
    )
    return ours, Start(fixed), Start(fixed)


def _partners(fixed: Named, program: Named) -> dict[str, str]:
    """Return the program's name for each parameter of the fix: the same, or the next like it."""
    names = {name: name for name in fixed if name in program and _alike(fixed, program, name, name)}
    free = [name for name in program if name not in names]
    for name in fixed:
        partner = next((one for one in free if _alike(fixed, program, name, one)), None)
        if name not in names and partner is not None:
            names[name] = partner
            free.remove(partner)
    return names


def _alike(fixed: Named, program: Named, name: str, other: str) -> bool:
    return bool(fixed[name].shape == program[other].shape)


def _shapes(values: Named) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in values.items()}


def _same_buffers(one: RemoteNetwork, other: RemoteNetwork) -> bool:
    first, second = one.buffers(), other.buffers()
    return all(
        torch.equal(value, second[name])
        for name, value in first.items()
        if name in second and value.shape == second[name].shape
    )
