"""Networks that were called, their passes, and the paths of the modules inside."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.observe.recorder.passes import ForwardPass, ModuleCall

DEPTH = 20  # of modules inside modules, in case two contain each other
SHARED = 4  # paths that are kept of a module that is registered several times


class Paths:
    """The paths of the modules of a network, as in `named_modules()`, with those of shared ones."""

    def __init__(self, root: nn.Module) -> None:
        """Read the paths as they are now."""
        self._root = weakref.ref(root)
        self._found = _paths(root)
        self._read_again = False

    def name(self, call: ModuleCall, module: nn.Module) -> None:
        """Fill in the path of a call's module, or the attribute of its caller that holds it."""
        caller = call.caller
        if caller is None and module is self._root():
            return
        found = self._of(module)
        above = f"{caller.path}." if caller is not None and caller.path else ""
        call.path = next(
            (path for path in found if path.startswith(above)), found[0] if found else ""
        )
        owner = caller.module() if caller is not None else None
        if not found and owner is not None:
            call.attribute = _attribute(owner, module)

    def _of(self, module: nn.Module) -> list[str]:
        found = self._found.get(id(module))
        root = self._root()
        if found is None and root is not None and not self._read_again:
            self._read_again = True  # the forward pass itself may register modules
            self._found = _paths(root)
            found = self._found.get(id(module))
        return found or []


def _paths(root: nn.Module) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    waiting = [("", root)]
    while waiting:
        path, module = waiting.pop()
        paths = found.setdefault(id(module), [])
        if len(paths) < SHARED:  # also ends the walk of modules that contain each other
            paths.append(path)
            prefix = f"{path}." if path else ""
            children = module._modules.items()  # noqa: SLF001  (`named_children` leaves out shared ones)
            waiting += [(prefix + n, c) for n, c in reversed(children) if c is not None]
    return found


class Network:
    """A module that no other module called, and those of its passes whose calls are kept."""

    def __init__(self, module: nn.Module, owner: str = "") -> None:
        """Start without a pass."""
        self.owner = owner  # its path in a module that was not called: "LitModel.backbone"
        self.module = weakref.ref(module)
        self.type = type(module).__name__
        self.has_state = any(True for _ in module.parameters()) or any(
            True for _ in module.buffers()
        )
        self.passes = 0
        self.last: ForwardPass | None = None
        self.chosen: ForwardPass | None = None  # the one that the options name
        self.first_non_finite: ForwardPass | None = None

    def add(self, begun: ForwardPass, step: int | None) -> None:
        """Add a pass that begins; the calls of the last one are dropped if no one needs them.

        Ctrl-C may come between any two lines: there is always a pass with its calls.
        """
        former = self.last
        if former is not None and former.non_finite and self.first_non_finite is None:
            self.first_non_finite = former
        if begun.number == step:
            self.chosen = begun
        self.passes += 1
        self.last = begun
        if former is not None and former not in {self.chosen, self.first_non_finite}:
            former.forget_calls()


def owner_of(module: nn.Module, constructed: list[nn.Module]) -> str:
    """Return the path of `module` in the outermost of the modules that contain it, from its class.

    Empty if none does. A module of Lightning, for one, is never called, but its parts are.
    """
    path: list[str] = []
    inner = module
    while len(path) < DEPTH:
        above = (
            (m, name) for m in constructed for name, part in m.named_children() if part is inner
        )
        found = next(above, None)
        if found is None:
            break
        inner, name = found
        path.append(name)
    return ".".join([type(inner).__name__, *reversed(path)]) if path else ""


def _attribute(owner: nn.Module, module: nn.Module) -> str:
    """Return the attribute of `owner`, or the item of one, that is an unregistered module."""
    for name, value in vars(owner).items():
        if value is module:
            return str(name)
        if isinstance(value, list | tuple):
            items = enumerate(value)
        elif isinstance(value, dict) and not name.startswith("_"):
            items = value.items()  # type: ignore[assignment]  # of any keys
        else:
            continue
        for key, item in items:
            if item is module:
                return f"{name}[{key!r}]"
    return ""
