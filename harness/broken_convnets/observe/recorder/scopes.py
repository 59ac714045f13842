"""The integers that a frame can name, such as `width`, `self.width` and `config.width`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

NAMES = 200  # of one frame
FIELDS = 40  # of one object

Scope = dict[str, int]


def scope_of(frame: FrameType) -> Scope:
    """Return the integers among the local names of a frame, and among their attributes."""
    return scope_of_names(frame.f_locals)


def scope_of_names(names: Mapping[str, object]) -> Scope:
    """Return the integers among values, and among the attributes of values, by their names.

    Only what is stored in an object or a class is read; no code of the user's runs.
    """
    found: Scope = {}
    for name, value in list(names.items())[:NAMES]:
        if type(value) is int:
            found[name] = value
        else:
            found.update((f"{name}.{key}", number) for key, number in _fields(value))
    return found


def _fields(value: object) -> Iterator[tuple[str, int]]:
    if isinstance(value, type) and issubclass(value, nn.Module):
        return
    stored = getattr(value, "__dict__", None) if _is_plain(value) else None
    if isinstance(stored, dict) or isinstance(value, type):
        pairs = list(vars(value).items())[:FIELDS]
        yield from ((key, number) for key, number in pairs if type(number) is int)


def _is_plain(value: object) -> bool:
    """Return whether an object stores its attributes as they are: a module, or the user's own."""
    module = type(value).__module__
    return isinstance(value, nn.Module) or not module.startswith(("torch.", "numpy", "builtins"))
