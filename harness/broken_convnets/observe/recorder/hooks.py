"""Record the functions that are registered as hooks, and which of them share their variables."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from broken_convnets.observe.recorder.aside import is_compiling
from broken_convnets.observe.recorder.patches import is_recorder_code
from broken_convnets.observe.recorder.places import is_user_file, user_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

MODULES = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
)
NAMES = 16  # of global variables of one hook
LONG = 40  # characters of the text of a value


@dataclass(frozen=True, slots=True)
class RegisteredHook:
    """A function of the user's that became a hook of a module or tensor, without keeping it alive.

    `variables` has what the variables of the function that are not its own were at that moment.
    `shares` is the hook with the same code that was registered last, if it is still alive and has
    these variables, not copies of them.
    """

    register: str
    code: CodeType
    owner: weakref.ref[Any]  # the module or the tensor
    type: str  # of it
    variables: dict[str, str]
    places: tuple[Place, ...]
    moment: Moment
    shares: RegisteredHook | None


class Hooks:
    """Replaces the methods of modules and tensors that register hooks."""

    def __init__(self, record: Record) -> None:
        """Start with no hook known."""
        self._record = record
        self._last: dict[CodeType, tuple[weakref.ref[FunctionType], RegisteredHook]] = {}

    def patch(self, patches: Patches) -> None:
        """Stand in for the methods."""
        for name in MODULES:
            patches.replace(nn.Module, name, self._standing_in)
        patches.replace(torch.Tensor, "register_hook", self._standing_in)

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        name = original.__name__

        def stand_in(owner: Any, hook: Any, *args: Any, **kwargs: Any) -> Any:
            if self._record.active and not is_compiling() and type(hook) is FunctionType:
                caller = sys._getframe(1)  # noqa: SLF001  (no public equivalent)
                if not is_recorder_code(caller.f_code):  # a torch function, as a mode sees it
                    self._note(name, owner, hook)
            return original(owner, hook, *args, **kwargs)

        stand_in.__name__ = name  # under which it is a query
        return stand_in

    def _note(self, register: str, owner: Any, hook: FunctionType) -> None:
        try:
            if not is_user_file(hook.__code__.co_filename):
                return
            reference, last = self._last.get(hook.__code__, (None, None))
            alive = reference() if reference is not None else None
            shared = alive is not None and alive is not hook and _share(alive, hook)
            found = RegisteredHook(
                register=register,
                code=hook.__code__,
                owner=weakref.ref(owner),
                type=type(owner).__name__,
                variables=dict(_variables(hook)),
                places=user_places(sys._getframe(2)),  # noqa: SLF001  (no public equivalent)
                moment=self._record.moment,
                shares=last if shared else None,
            )
            self._last[hook.__code__] = (weakref.ref(hook), found)
            self._record.hooks.append(found)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


def _share(one: FunctionType, other: FunctionType) -> bool:
    """Return whether two functions of one code have the same variables, not copies of them."""
    if one.__globals__ is not other.__globals__:
        return False
    cells = zip(one.__closure__ or (), other.__closure__ or (), strict=True)
    return all(cell is same for cell, same in cells)


def _variables(hook: FunctionType) -> Iterator[tuple[str, str]]:
    cells = zip(hook.__code__.co_freevars, hook.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            yield name, _text(cell.cell_contents)
        except ValueError:  # it is empty
            continue
    for name in hook.__code__.co_names[:NAMES]:
        if name in hook.__globals__:
            yield name, _text(hook.__globals__[name])


def _text(value: object) -> str:
    """Return the text of a number or string, else the type and the identity of an object."""
    if isinstance(value, int | float | str):
        return repr(value)[:LONG]
    return f"{type(value).__name__} at {id(value):#x}"
