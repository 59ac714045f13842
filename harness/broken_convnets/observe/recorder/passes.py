"""Forward passes: the module calls of each, their paths, and what is odd about their values."""

from __future__ import annotations

import operator
import re
import threading
import traceback
import weakref
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.facts import Layer
from broken_convnets.observe.recorder.bounded import Bounded
from broken_convnets.observe.recorder.networks import Paths

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.image_signatures import ImageSignatures
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Moment
    from broken_convnets.observe.recorder.scales import Scale
    from broken_convnets.observe.recorder.values import Value

# What is odd in the description of an input or an output, and what to call it there.
NON_FINITE = re.compile(r"\](@\S+)? non-finite")
ANNOTATIONS = {
    re.compile(r"^None(, |$)"): {"input": "input is None", "output": "returned None"},
    NON_FINITE: {
        "input": "first non-finite value in the inputs",
        "output": "first non-finite value in the output",
    },
}


class ModuleCall:
    """One call of a module. Modules are not kept alive by being recorded.

    `inputs`, `kwargs` and `output` are descriptions; `output` is None until the call returns.
    `received` are the tensors of its arguments where operators are recorded too.
    """

    __slots__ = (
        "attribute",
        "began",
        "caller",
        "inputs",
        "kwargs",
        "module",
        "output",
        "path",
        "raised",
        "received",
        "returned",
        "training",
        "type",
    )

    def __init__(
        self, module: nn.Module, inputs: str, kwargs: str, caller: ModuleCall | None
    ) -> None:
        """Record the beginning of a call by the module of `caller`."""
        self.module = weakref.ref(module)
        self.type = type(module).__name__
        self.path = ""  # in the network; empty for the network and for what is not registered
        self.attribute = ""  # of the calling module, if it holds this one unregistered
        self.training = module.training
        self.inputs = inputs
        self.kwargs = kwargs
        self.output: str | None = None
        self.received: tuple[Value, ...] = ()
        self.caller = caller
        self.began = 0  # of the events of its pass, which one it was
        self.returned: int | None = None
        self.raised = ""  # type of the exception that ended it

    @property
    def depth(self) -> int:
        """How many calls it is inside of."""
        return 0 if self.caller is None else self.caller.depth + 1


class ForwardPass:
    """A call of a module that no other module called, and the calls inside.

    `modes` are the modes, True for training, of those layers that depend on it; `received` and
    `returned` are the tensors of its inputs and output where operators are recorded too. `rows`
    are checksums of the samples of its first input, `weights` is one of parameters, and `scale` is
    that of its images, whose signatures are `images`.
    """

    def __init__(self, network: nn.Module, number: int, limit: int, moment: Moment) -> None:
        """Begin the `number`th pass of `network`, counted from 1."""
        self.network = weakref.ref(network)
        self.number = number
        self.moment = moment
        self.thread = threading.current_thread()
        self.places: tuple[Place, ...] = ()
        self.whole = True  # whether the network itself was called, and not a part of it
        self.training = network.training
        self.parameters: tuple[int, ...] = ()  # numbers of the network's parameters
        self.grad_enabled = True
        self.inference_mode = False
        self.modes: frozenset[bool] = frozenset()
        self.received: tuple[Value, ...] = ()
        self.returned: tuple[Value, ...] = ()
        self.rows: tuple[int, ...] = ()
        self.weights = 0
        self.scale: Scale | None = None
        self.images: ImageSignatures | None = None
        self.captured: tuple[tuple[Any, ...], dict[str, Any]] | None = None  # copies of the inputs
        self.operators_at_end: int | None = None
        self.non_finite = False
        self.calls: Bounded[ModuleCall] = Bounded(limit)
        self._paths = Paths(network)
        self._events = 0

    @property
    def complete(self) -> bool:
        """Whether the call of the network returned."""
        first = self.calls.find(0)
        return first is not None and first.returned is not None

    def begin(self, call: ModuleCall, module: nn.Module) -> None:
        """Record that a call of `module` has begun."""
        self._paths.name(call, module)
        call.began = self._tick()
        self.calls.append(call)
        self.non_finite |= bool(NON_FINITE.search(call.inputs) or NON_FINITE.search(call.kwargs))

    def end(self, call: ModuleCall, output: str) -> None:
        """Record that a call has returned."""
        call.output, call.returned = output, self._tick()
        self.non_finite |= bool(NON_FINITE.search(output))

    def forget_calls(self) -> None:
        """Drop the calls inside, whose number grows with every pass."""
        self.calls = Bounded(1)

    def layers(self, failing: nn.Module | None = None) -> list[Layer]:
        """Return the calls in the order in which they began, the last one of `failing` marked."""
        calls = list(self.calls)
        odd = _odd_calls(calls)
        failed = self.calls_of(failing)[-1:] if failing is not None else []
        return [
            Layer(
                path=call.path,
                type=call.type,
                inputs=call.inputs,
                output=call.output,
                kwargs=call.kwargs,
                failed=call in failed,
                depth=call.depth,
                annotations=[words for words, where in odd.items() if where is call],
                attribute=call.attribute,
            )
            for call in calls
        ]

    def calls_of(self, module: nn.Module) -> list[ModuleCall]:
        """Return the calls of one module."""
        return [call for call in self.calls if call.module() is module]

    def path(self, module: nn.Module) -> str:
        """Return the name of `module` within the network; empty for the network itself."""
        network = self.network()
        names = {} if network is None else {id(m): name for name, m in network.named_modules()}
        return str(names.get(id(module), ""))

    def _tick(self) -> int:
        self._events += 1
        return self._events


def running_modules(error: BaseException) -> list[nn.Module]:
    """Return the modules whose calls `error` passed through, the innermost last."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    owners = (f.f_locals.get("self") for f in frames if f.f_code.co_name == "_call_impl")
    return [owner for owner in owners if isinstance(owner, nn.Module)]


def module_path(error: BaseException, net: nn.Module | None = None) -> str | None:
    """Return the path of the innermost running module; None for the network itself.

    It is relative to `net`, if that was running, else to the outermost running module.
    """
    running = running_modules(error)
    if not running:
        return None
    root = net if net is not None and any(one is net for one in running) else running[0]
    paths = root.named_modules(remove_duplicate=False)
    return next((path for path, part in paths if part is running[-1]), None) or None


def _odd_calls(calls: list[ModuleCall]) -> dict[str, ModuleCall]:
    """Return the calls with the first None and the first non-finite value, by annotation."""
    events = [(call.began, "input", f"{call.inputs}, {call.kwargs}", call) for call in calls]
    events += [(c.returned, "output", c.output or "", c) for c in calls if c.returned]
    events.sort(key=operator.itemgetter(0))
    odd: dict[str, ModuleCall] = {}
    for pattern, words in ANNOTATIONS.items():
        found = ((where, call) for _, where, text, call in events if pattern.search(text))
        first = next(found, None)
        if first:
            odd[words[first[0]]] = first[1]
    return odd
