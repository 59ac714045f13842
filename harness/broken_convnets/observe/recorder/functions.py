"""What a torch function is: an operator or a query, its name, and the arguments worth keeping."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from torch import overrides

if TYPE_CHECKING:
    from collections.abc import Callable

# Functions that read facts of a tensor and compute nothing.
QUERIES = frozenset(
    {
        "__format__",
        "__hash__",
        "__len__",
        "__repr__",
        "__str__",
        "data_ptr",
        "dim",
        "element_size",
        "get_device",
        "is_complex",
        "is_contiguous",
        "is_floating_point",
        "is_grad_enabled",
        "is_inference",
        "is_same_size",
        "is_signed",
        "is_tensor",
        "ndimension",
        "nelement",
        "numel",
        "register_hook",
        "register_post_accumulate_grad_hook",
        "retain_grad",
        "set_grad_enabled",
        "size",
        "storage",
        "storage_offset",
        "stride",
        "untyped_storage",
    }
)
GETTERS_THAT_COMPUTE = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
SHORT = 16  # items of a literal tuple
LONG = 80  # characters of a literal string
LITERALS = (int, float, bool, str, type(None))


class Kind(Enum):
    """What becomes of a call of a torch function."""

    QUERY = auto()  # reads a fact of a tensor, and never warns: called at once
    OTHER = auto()  # computes nothing, and may warn
    OPERATOR = auto()


def kind_of(func: Callable[..., Any]) -> Kind:
    """Return what becomes of a call of `func`."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        attribute = _attribute(func)
        if attribute in GETTERS_THAT_COMPUTE:
            return Kind.OPERATOR
        return Kind.OTHER if attribute == "grad" else Kind.QUERY
    if name in QUERIES:
        return Kind.QUERY
    internal = name.startswith("_") and not name.startswith("__")
    return Kind.OTHER if internal else Kind.OPERATOR


def _attribute(func: Callable[..., Any]) -> str:
    """Return the name of the attribute that a getter or setter is of."""
    return str(getattr(getattr(func, "__self__", None), "__name__", ""))


def name_of(func: Callable[..., Any]) -> str:
    """Return the short name of a torch function: `relu`, `__get__ T`."""
    name = str(getattr(func, "__name__", type(func).__name__))
    return f"{name} {_attribute(func)}" if name in {"__get__", "__set__"} else name


def full_name(func: Callable[..., Any]) -> str:
    """Return the public name of a torch function: `torch.nn.functional.relu`."""
    try:
        return overrides.resolve_name(func) or name_of(func)
    except Exception:  # noqa: BLE001  (any callable may come here)
        return name_of(func)


def literals_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int | str, Any]:
    """Return the arguments that are numbers, strings, None or short tuples of these."""
    pairs: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    return {key: value for key, value in pairs if _is_literal(value)}


def _is_literal(value: object) -> bool:
    if isinstance(value, tuple | list):
        return len(value) <= SHORT and all(type(item) in LITERALS for item in value)
    if isinstance(value, float):
        return True  # numbers of NumPy's float64 too
    return type(value) in LITERALS and (type(value) is not str or len(value) <= LONG)
