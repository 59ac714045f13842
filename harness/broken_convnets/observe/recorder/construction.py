"""Record which line of the user's constructs a module, an optimizer or a loader, and with what."""

from __future__ import annotations

import inspect
import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim.optimizer import Optimizer
from torch.utils.data import DataLoader

from broken_convnets.observe.describe import default_device, describe
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import is_user_file, user_frames, user_places
from broken_convnets.observe.recorder.recorded_events import Construction
from broken_convnets.observe.recorder.scopes import scope_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from broken_convnets.observe.recorder.module_calls import ModuleCalls
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record

SCOPES = 3  # of the user's frames around a constructor
KINDS = {"module": nn.Module, "optimizer": Optimizer, "loader": DataLoader}


class Constructions:
    """Stands in for the constructors that all modules, optimizers and loaders call."""

    def __init__(self, record: Record, calls: ModuleCalls | None) -> None:
        """Start with nothing constructed. `calls` are those that the same recorder follows."""
        self._record = record
        self._calls = calls

    def patch(self, patches: Patches) -> None:
        """Stand in for the constructors."""
        for kind, owner in KINDS.items():
            patches.replace(owner, "__init__", self._wrapping(kind))

    def _wrapping(self, kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        def wrap(original: Callable[..., None]) -> Callable[..., None]:
            def __init__(built: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  (tracebacks show the name)
                original(built, *args, **kwargs)
                if is_compiling() or not self._record.active:
                    return
                caller = sys._getframe(1)  # noqa: SLF001  (no public equivalent)
                self._note(kind, built, caller, partial(_bound, original, built, args, kwargs))

            return __init__

        return wrap

    def _note(
        self, kind: str, built: object, caller: FrameType, own: Callable[[], dict[str, Any]]
    ) -> None:
        try:
            outermost = _outermost_constructor(built, caller)
            calling = outermost.f_back if outermost else caller
            running = self._calls.innermost if self._calls else None
            found = Construction(
                kind=kind,
                type=type(built).__name__,
                places=user_places(calling),
                arguments=_arguments(outermost) if outermost else _described(own()),
                object=weakref.ref(built),
                identity=id(built),
                direct=calling is not None and is_user_file(calling.f_code.co_filename),
                scopes=tuple(map(scope_of, user_frames(calling, SCOPES))),
                running=running.type if running else "",
            )
            self._record.constructions.append(found)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


def _outermost_constructor(built: object, frame: FrameType | None) -> FrameType | None:
    """Return the frame of the constructor that the program called, of those of `built`."""
    found = None
    while frame is not None and frame.f_code.co_name == "__init__":
        names = frame.f_code.co_varnames
        if not names or frame.f_locals.get(names[0]) is not built:
            break
        found, frame = frame, frame.f_back
    return found


def _bound(
    constructor: Callable[..., None], built: object, args: Any, kwargs: Any
) -> dict[str, Any]:
    """Return the arguments of a constructor that was called directly, without `self`."""
    bound = inspect.signature(constructor).bind(built, *args, **kwargs).arguments
    return dict(list(bound.items())[1:])


def _arguments(frame: FrameType) -> dict[str, Any]:
    code, values = frame.f_code, frame.f_locals
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    return _described({name: values[name] for name in names if name in values})


def _described(arguments: dict[str, Any]) -> dict[str, Any]:
    device = default_device()
    with NoDispatch(), NoFunction():
        return {name: _kept(value, device) for name, value in arguments.items()}


def _kept(value: object, device: str) -> object:
    """Return a literal as it is and anything else described, so that nothing is kept alive."""
    items = value if isinstance(value, tuple) else (value,)
    if all(item is None or type(item) in {int, float, bool, str} for item in items):
        return value
    return describe(value, device, literals=True)
