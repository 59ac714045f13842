"""What laws and comparisons read while a run of a subject goes on, each in one call.

A run can leave everything as it should be, and do otherwise in between: these look in between.
"""

from __future__ import annotations

import contextlib
import gc
import math
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from broken_convnets.observe.trees import detached, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.local_network import LocalNetwork
    from broken_convnets.observe.subject import Subject, Values

OLD = 2  # forward passes that a node of the graph outlives: the last loss outlives one


def old_graph(subject: Subject, size: int) -> int:
    """Return how many nodes of older forward passes a run keeps, whoever holds them.

    That is the most nodes of the autograd graph that existed OLD passes ago. A pass begins when
    the module that the run called first is called again: `net.forward` calls no hook of `net`.
    """
    ages = _Ages()
    first: list[object] = []
    net: Any = subject.build()

    def look(module: object, *_: object) -> None:
        first[:] = first or [module]
        if module is first[0]:
            ages.look()

    hooks = [module.register_forward_pre_hook(look) for module in net.module.modules()]
    try:
        result = net.run(subject.inputs(size), subject.targets(size))
    finally:
        for hook in hooks:
            hook.remove()
    ages.look()
    del result
    return ages.most


class _Ages:
    """Remembers when each node of the autograd graph was first seen, in the node's metadata.

    Nodes that are alive before the run are none of it.
    """

    def __init__(self) -> None:
        self._now = 0
        self.most = 0
        for node in _living_nodes():
            node.metadata[self] = math.inf

    def look(self) -> None:
        self._now += 1
        old = sum(self._age(node) >= OLD for node in _living_nodes())
        self.most = max(self.most, old)

    def _age(self, node: Any) -> float:
        since: float = node.metadata.setdefault(self, self._now)
        return self._now - since


def _living_nodes() -> set[Any]:
    """Return every node of the autograd graph that a tensor of this process keeps alive."""
    waiting = [
        one.grad_fn
        for one in gc.get_objects()
        if issubclass(type(one), torch.Tensor) and one.grad_fn is not None
    ]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node not in seen and node.next_functions:  # a leaf outlives its graph
            seen.add(node)
            waiting += [below for below, _ in node.next_functions if below is not None]
    return seen


def inputs_change(subject: Subject, size: int) -> bool:
    """Return whether an operator of a run sees other values in the inputs than the run got."""
    inputs = subject.inputs(size)
    guard = _Guard(inputs)
    with guard:
        subject.build().run(inputs, subject.targets(size))
    return guard.changed


class _Guard(TorchDispatchMode):  # type: ignore[misc]  # torch has no types here
    """Compares tensors with what they were, before and after every operator."""

    def __init__(self, values: Values) -> None:
        super().__init__()
        self._values = tensors(values)
        self._before: list[torch.Tensor] = detached(self._values)
        self.changed = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._compare()
        result = func(*args, **(kwargs or {}))
        self._compare()
        return result

    def _compare(self) -> None:
        if not self.changed:
            pairs = zip(self._values, self._before, strict=True)
            self.changed = not all(torch.equal(now, before) for now, before in pairs)


def step_gradients(subject: Subject, size: int, factor: float) -> list[float]:
    """Return the norm of all gradients at each optimizer step of a run.

    The run begins with `factor` times the initial parameters.
    """
    net: Any = subject.build()
    with torch.no_grad():
        for parameter in net.module.parameters():
            parameter.mul_(factor)
    with _recorded_norms(net) as norms:
        net.run(subject.inputs(size), subject.targets(size))
    return norms


@contextlib.contextmanager
def _recorded_norms(net: LocalNetwork) -> Iterator[list[float]]:
    norms: list[float] = []

    def record(*_: object) -> None:
        gradients = [one for one in net.parameter_gradients().values() if one is not None]
        squares = [float(one.detach().double().square().sum()) for one in gradients]
        norms.append(sum(squares) ** 0.5)

    hook = register_optimizer_step_pre_hook(record)
    try:
        yield norms
    finally:
        hook.remove()
