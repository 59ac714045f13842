"""`Variable(tensor)`, from before PyTorch 0.4, returns the tensor that it receives."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.callers import Callers

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.values import Values


class Variables:
    """Stands in for the constructor of `torch.autograd.Variable`, which is not a torch function."""

    def __init__(self, values: Values) -> None:
        """Start with nothing replaced."""
        self._values = values
        self._callers = Callers()

    def patch(self, patches: Patches) -> None:
        """Stand in for the constructor."""
        patches.replace(torch.autograd.Variable, "__new__", self._constructing)

    def _constructing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: N807  (what Python calls)
            call = self._callers.like(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
            made = call(original, (cls, *args), kwargs)
            given = args[0] if args else kwargs.get("data")
            if isinstance(given, torch.Tensor) and isinstance(made, torch.Tensor):
                with NoDispatch(), NoFunction():
                    self._values.share(made, given)
            return made

        return __new__
