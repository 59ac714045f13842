"""Keep the arguments of the user's functions of two tensors: errors, PSNRs and overlaps.

They can then be called again with images, masks or boxes whose result is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable
    from types import CodeType, FrameType

LARGE = 1_000_000  # elements of a tensor that is not copied


@dataclass(frozen=True, slots=True, eq=False)
class PairCall:
    """The first call of a user's function with two tensors; `arguments` are copies.

    `one` and `other` are the names of the tensors, in the order of the parameters. `owner` is the
    object of a method that cannot be copied; it is not kept alive.
    """

    function: FunctionType
    arguments: dict[str, Any]
    one: str
    other: str
    owner: weakref.ref[Any] | None = None

    @property
    def code(self) -> CodeType:
        """The code of the function."""
        return self.function.__code__

    @property
    def pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Both tensors of the call."""
        return self.arguments[self.one], self.arguments[self.other]


def pair_call(
    frame: FrameType,
    copy: Callable[[object], Any],
    owner_of: Callable[[dict[str, Any]], weakref.ref[Any] | None],
) -> PairCall | None:
    """Return the call that a frame runs; None if it has no two tensors, or cannot be repeated."""
    code, values = frame.f_code, frame.f_locals
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if any(name not in values for name in names):
        return None  # deleted, or held in a cell
    given = {name: values[name] for name in names}
    tensors = [name for name in names if isinstance(given[name], torch.Tensor)]
    if len(tensors) != 2 or not all(_is_readable(given[name]) for name in tensors):  # noqa: PLR2004  (a pair)
        return None
    owner = owner_of(given)
    copies = {n: copy(value) for n, value in given.items() if owner is None or n != "self"}
    closure = tuple(CellType(values[name]) for name in code.co_freevars if name in values)
    if any(one is NotImplemented for one in copies.values()) or len(closure) != len(
        code.co_freevars
    ):
        return None
    function = FunctionType(code, frame.f_globals, code.co_name, None, closure)
    return PairCall(function, copies, tensors[0], tensors[1], owner)


def _is_readable(tensor: torch.Tensor) -> bool:
    plain = tensor.layout is torch.strided and not tensor.is_complex() and not tensor.is_meta
    return plain and 1 < tensor.numel() <= LARGE
