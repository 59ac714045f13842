"""Know which torch function raised, where no layer did: `torch.Tensor.add(float32[1], …)`."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode, resolve_name

from broken_convnets.observe.describe import describe
from broken_convnets.observe.layers import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_LENGTH = 40
LITERAL = (int, float, bool, str)


class Operators(TorchFunctionMode):  # type: ignore[misc]  # torch is not there for mypy
    """Stand in the path of every torch function, so that tracebacks hold what each one took.

    It changes nothing and remembers nothing. Only the thread that enters it is followed.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`."""
        return func(*args, **(kwargs or {}))


def failed_operator(error: BaseException) -> str:
    """Return the torch function that raised `error`, with what it took.

    Empty where the code that raised is not inside of one, or is inside of a module that one
    called, and for arguments that do not get as far as a torch function.
    """
    call = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is Operators.__torch_function__.__code__:
            call = frame.f_locals
        elif frame.f_code.co_name == "_call_impl":
            call = None
    if call is None:
        return ""
    with unseen() as device:
        texts = [_literal(value, device) for value in call["args"]]
        texts += [f"{name}={_literal(v, device)}" for name, v in (call["kwargs"] or {}).items()]
        return f"{_name(call['func'])}({', '.join(texts)})"


def _name(func: Callable[..., Any]) -> str:
    plain = str(getattr(func, "__name__", type(func).__name__))
    try:
        return resolve_name(func) or plain
    except Exception:  # noqa: BLE001  (any callable may come here)
        return plain


def _literal(value: object, device: str) -> str:
    """Return a small number or text as it is written, anything else described."""
    parts = value if isinstance(value, tuple | list) else (value,)
    if not all(type(part) in LITERAL for part in parts):
        return describe(value, device)
    text = repr(value)
    return text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}…"
