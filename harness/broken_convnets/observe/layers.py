"""Follow the values through networks: what each layer took and gave, until one failed."""

from __future__ import annotations

import sys
import threading
import traceback
import weakref
from collections import OrderedDict
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from torch.nn.modules import module as hooks

from broken_convnets.observe.describe import default_device, describe
from broken_convnets.observe.passes import Pass, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.facts import Layer

LAYER_LIMIT = 200
NETWORK_LIMIT = 50
IS_COMPILING = getattr(getattr(torch, "compiler", None), "is_compiling", None)


class Network:
    """A module that was called by no other one, and its passes."""

    def __init__(self, module: nn.Module) -> None:
        """Start without a pass."""
        self.module = weakref.ref(module)
        self.type = type(module).__name__
        self.passes = 0
        self.last: Pass | None = None
        self.chosen: Pass | None = None


class _Thread(threading.local):
    """The calls that are running in one thread, the innermost last."""

    def __init__(self) -> None:
        self.open: list[Row] = []
        self.current: Pass | None = None


class Trace(AbstractContextManager["Trace"]):
    """Record the module calls of the last forward pass of each network that runs meanwhile.

    Works on any number of networks in any number of threads, or on `net` alone, by PyTorch's
    global module hooks, which are removed on exit whatever happens. `limit` calls are kept of
    each pass. The `step`th pass of each network, from 1, is kept besides its last one.
    `on_raise` is told of each pass that an exception ended.
    """

    def __init__(
        self,
        net: nn.Module | None = None,
        *,
        limit: int = LAYER_LIMIT,
        step: int | None = None,
        on_raise: Callable[[Pass, BaseException], None] | None = None,
    ) -> None:
        """Start with nothing recorded."""
        self.last: Pass | None = None  # of any network
        self._net = net
        self._limit = limit
        self._step = step
        self._on_raise = on_raise
        self._thread = _Thread()
        self._networks: OrderedDict[int, Network] = OrderedDict()
        self._hooks = ExitStack()

    def __enter__(self) -> Self:
        """Begin to record."""
        with ExitStack() as stack:
            stack.callback(hooks.register_module_forward_pre_hook(self._enter).remove)
            stack.callback(_also_after_errors(self._leave).remove)
            self._hooks = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop recording."""
        self._hooks.close()

    @property
    def networks(self) -> list[Network]:
        """The networks that ran, in the order in which their last passes began."""
        return list(self._networks.values())

    def network(self, shown: Pass) -> Network | None:
        """Return the network that a pass is one of."""
        return next((n for n in self._networks.values() if n.module() is shown.network()), None)

    def holding(self, module: nn.Module) -> Pass | None:
        """Return the pass, of those that began last, in which `module` was called."""
        passes = (network.last for network in reversed(self.networks))
        return next((p for p in passes if p and p.calls_of(module)), None)

    def layers(self, error: BaseException | None = None) -> list[Layer]:
        """Return the calls of the last pass, in the order in which they began.

        The one that `error` came from is marked.
        """
        running = running_modules(error) if error else []
        return self.last.layers(running[-1] if running else None) if self.last else []

    def path(self, module: nn.Module) -> str:
        """Return the name of `module` within the last network; empty for the network."""
        return self.last.path(module) if self.last else ""

    def _enter(self, module: nn.Module, inputs: tuple[object, ...]) -> None:
        if _compiling():
            return
        thread = self._thread
        above = thread.open[-1] if thread.open else None
        again = thread.current is not None and module is thread.current.network()
        root = None
        if above is None or again:
            root, above = self._root(module), None
            if root is None:
                return
        takes, named = _takes(inputs, sys._getframe(1).f_locals.get("kwargs"))  # noqa: SLF001  (the only way to them)
        row = Row(module, takes, named, above)
        if root is not None:
            thread.open, thread.current = [], self._begin(root, row)
        elif thread.current:
            thread.current.begin(row)
        thread.open.append(row)

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:  # noqa: ARG002  (a hook is given all)
        thread = self._thread
        if _compiling() or not any(row.module() is module for row in thread.open):
            return
        row = thread.open.pop()
        while row.module() is not module:  # KeyboardInterrupt and the like leave calls open
            row = thread.open.pop()
        current, error = thread.current, sys.exc_info()[1]
        if current is None:
            return
        raised = error if error is not None and id(error) != row.ambient else None
        if raised is None:
            with unseen() as device:
                current.close(row, describe(output, device))
        if not thread.open:
            current.finish()
            if raised and self._on_raise:
                self._on_raise(current, raised)

    def _root(self, module: nn.Module) -> nn.Module | None:
        """Return the network whose pass a call begins; None where it is not to be followed."""
        if self._net is None:
            return module
        return self._net if any(part is module for part in self._net.modules()) else None

    def _begin(self, root: nn.Module, row: Row) -> Pass:
        """Begin a pass with its first call; wherever Ctrl-C comes, there is one to show."""
        network = self._networks.get(id(root))
        if network is None or network.module() is not root:
            network = Network(root)
        begun = Pass(root, network.passes + 1, self._limit)
        begun.begin(row)
        network.passes += 1
        network.last = self.last = begun
        if network.passes == self._step:
            network.chosen = begun
        self._networks[id(root)] = network
        with suppress(KeyError):  # other threads may have begun so many that it is gone again
            self._networks.move_to_end(id(root))
        while len(self._networks) > NETWORK_LIMIT:
            self._networks.popitem(last=False)
        return begun


def _also_after_errors(hook: Callable[..., None]) -> Any:
    try:
        return hooks.register_module_forward_hook(hook, always_call=True)
    except TypeError:  # torch 2.0 calls no hook after an error: such a call stays open
        return hooks.register_module_forward_hook(hook)


def running_modules(error: BaseException) -> list[nn.Module]:
    """Return the modules whose calls `error` passed through, the innermost last."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    owners = (f.f_locals.get("self") for f in frames if f.f_code.co_name == "_call_impl")
    return [owner for owner in owners if isinstance(owner, nn.Module)]


def _takes(inputs: tuple[object, ...], named: Any) -> tuple[str, str]:
    """Return what a call takes by position and by keyword; hooks are not given the latter."""
    with unseen() as device:
        texts = [describe(value, device) for value in inputs]
        pairs = named.items() if isinstance(named, dict) else ()
        keywords = [f"{name}={describe(value, device)}" for name, value in pairs]
    return ", ".join(texts), ", ".join(keywords)


@contextmanager
def unseen() -> Iterator[str]:
    """Give the default device; what runs inside is seen by no mode that a program set."""
    with torch._C._DisableTorchDispatch():  # noqa: SLF001  (no public one)
        device = default_device()
        with torch._C.DisableTorchFunction():  # noqa: SLF001  (likewise)
            yield device


def _compiling() -> bool:
    """Return whether torch.compile is reading this hook instead of running it."""
    return IS_COMPILING is not None and bool(IS_COMPILING())
