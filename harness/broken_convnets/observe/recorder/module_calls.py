"""Record module calls by standing in for `nn.Module.__call__`, in every thread."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.describe import default_device, describe
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_read_by_torch
from broken_convnets.observe.recorder.called_modules import CalledModules
from broken_convnets.observe.recorder.networks import Network, owner_of
from broken_convnets.observe.recorder.passes import ForwardPass, ModuleCall
from broken_convnets.observe.recorder.running_calls import RunningCalls
from broken_convnets.observe.recorder.surroundings import Surroundings
from broken_convnets.observe.recorder.tracebacks import leave_out_outermost, leave_out_recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.gradients import Gradients
    from broken_convnets.observe.recorder.operators import OperatorMode
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.values import Value

NETWORK_LIMIT = 50


class ModuleCalls:
    """Records the calls of every network, or of `network` and its parts alone.

    `on_raise` is called with each pass that an exception ended. `operators` and `gradients` are
    the other parts of the recorder that follow forward passes, if they are switched on.
    """

    def __init__(
        self,
        record: Record,
        network: nn.Module | None,
        on_raise: Callable[[ForwardPass, Exception], None] | None,
        operators: OperatorMode | None,
        gradients: Gradients | None,
    ) -> None:
        """Start with no call running."""
        self._record = record
        self._options = record.options
        self._network = network
        self._on_raise = on_raise
        self._operators = operators
        self._surroundings = Surroundings(record, operators, gradients)
        self._thread = RunningCalls()
        self._called = CalledModules(record)
        self._networks: OrderedDict[int, Network] = OrderedDict()

    def patch(self, patches: Patches) -> None:
        """Stand in for `nn.Module.__call__`."""
        patches.replace(nn.Module, "__call__", self._standing_in)

    @property
    def innermost(self) -> ModuleCall | None:
        """The module call that is running in this thread."""
        running = self._thread.running
        return running[-1] if running else None

    @property
    def latest(self) -> ForwardPass | None:
        """The forward pass that runs in this thread, else the last one of a network with state.

        Losses and metrics, which run after a network, have no parameters and no buffers.
        """
        thread = self._thread
        return thread.current if thread.running else thread.network or thread.current

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807  (tracebacks show the name)
            if is_read_by_torch() or not self._record.active:
                return original(module, *args, **kwargs)
            running = self._thread.running
            depth = len(running)
            try:
                call = self._begin(module, args, kwargs)
                output = original(module, *args, **kwargs)
                if call is not None:
                    self._end(call, output)
            except BaseException as error:
                leave_out_outermost(error)
                self._fail(error, depth)
                raise
            finally:
                del running[depth:]
            return output

        return __call__

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> ModuleCall | None:
        """Record that a call begins; None if its network is not followed."""
        thread = self._thread
        caller = thread.running[-1] if thread.running else None
        root = None
        if caller is None:
            root = self._root(module)
            if root is None:
                return None
        try:
            inputs, named = self._describe_inputs(args, kwargs)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            inputs = named = ""
        call = ModuleCall(module, inputs, named, caller)
        call.received = self._values_in((args, kwargs))
        if root is not None:
            thread.current = self._begin_pass(root, call, module, (args, kwargs))
        elif thread.current is not None:
            thread.current.begin(call, module)
        thread.running.append(call)
        self._called.meet(module, (args, kwargs))
        return call

    def _end(self, call: ModuleCall, output: object) -> None:
        current = self._thread.current
        if current is None:
            return
        try:
            device = default_device()
            with NoDispatch(), NoFunction():
                text = self._describe(output, device)
                if call.caller is None:
                    self._surroundings.at_end(current, output)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            text = type(output).__name__
        current.end(call, text)

    def _fail(self, error: BaseException, depth: int) -> None:
        thread = self._thread
        if len(thread.running) <= depth or thread.current is None:
            return
        thread.running[depth].raised = type(error).__name__
        self._record.note_failed(error, "")
        if depth == 0:
            leave_out_recorder(error)
            if self._on_raise and isinstance(error, Exception):
                self._on_raise(thread.current, error)

    def _root(self, module: nn.Module) -> nn.Module | None:
        """Return the network whose pass a call begins; None if it is not to be followed."""
        if self._network is None:
            return module
        return self._network if any(m is module for m in self._network.modules()) else None

    def _describe_inputs(self, args: Any, kwargs: Any) -> tuple[str, str]:
        device = default_device()
        with NoDispatch(), NoFunction():
            texts = [self._describe(value, device) for value in args]
            named = [f"{name}={self._describe(value, device)}" for name, value in kwargs.items()]
        return ", ".join(texts), ", ".join(named)

    def _values_in(self, arguments: object) -> tuple[Value, ...]:
        if self._operators is None:
            return ()
        try:
            with NoDispatch(), NoFunction():
                return self._operators.values_in(arguments)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            return ()

    def _describe(self, value: object, device: str) -> str:
        known = self._operators.is_finite if self._operators is not None else None
        return describe(value, device, literals=self._options.literals, is_finite=known)

    def _begin_pass(
        self, root: nn.Module, call: ModuleCall, module: nn.Module, inputs: object
    ) -> ForwardPass:
        """Begin a pass with its first call; wherever Ctrl-C comes, there is one to show."""
        network = self._networks.get(id(root))
        if network is None or network.module() is not root:
            network = Network(root, owner_of(root, self._record.constructed_modules()))
        begun = ForwardPass(root, network.passes + 1, self._options.call_limit, self._record.moment)
        begun.begin(call, module)
        begun.whole = module is root
        try:
            self._surroundings.at_begin(begun, root, inputs)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
        network.add(begun, self._options.step)
        self._record.last_pass = begun
        if network.has_state:
            self._thread.network = begun
        self._record.add_pass(begun, has_state=network.has_state)
        self._networks[id(root)] = network
        with suppress(KeyError):  # other threads may have begun so many that it is gone again
            self._networks.move_to_end(id(root))
        self._drop_networks()
        self._record.networks[:] = self._networks.values()
        return begun

    def _drop_networks(self) -> None:
        """Keep NETWORK_LIMIT; losses and transforms, which have no parameters, go first."""
        while len(self._networks) > NETWORK_LIMIT:
            stateless = (key for key, found in self._networks.items() if not found.has_state)
            key = next(stateless, next(iter(self._networks)))
            self._networks.pop(key, None)
