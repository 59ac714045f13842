"""Which values lead to which: the recorded operators as a graph."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

# Operators whose results have no graph.
CUTS = frozenset(
    {"detach", "detach_", "__get__ data", "item", "numpy", "tolist", "__float__", "__int__"}
    | {"__bool__", "__array__"}
)


class Dataflow:
    """Follows values along operators, forward and backward. Custom autograd functions are gaps."""

    def __init__(self, record: Record) -> None:
        """Index the operators by their inputs."""
        self._record = record
        self._consumers: dict[Value, list[Operator]] = {}
        for operator in record.operators:
            for value in set(operator.inputs):
                self._consumers.setdefault(value, []).append(operator)

    def consumers(self, value: Value) -> list[Operator]:
        """Return the operators that a value is an input of."""
        return self._consumers.get(value, [])

    def ancestors(self, values: Iterable[Value]) -> set[Value]:
        """Return the values that `values` were computed from, and themselves."""
        return _closure(values, self._inputs)

    def descendants(self, values: Iterable[Value]) -> set[Value]:
        """Return the values that were computed from `values`, and themselves."""
        return _closure(values, self._results)

    @cached_property
    def reaching_backward(self) -> set[Value]:
        """The values that any backward pass depends on, whether or not through the graph."""
        return self.ancestors(r for b in self._record.backward_passes for r in b.roots)

    @cached_property
    def network_outputs(self) -> set[Value]:
        """The values that networks with parameters returned."""
        passes = (forward for forward in self._record.passes if forward.parameters)
        return {value for forward in passes for value in forward.returned}

    def depends_on_network(self, value: Value) -> bool:
        """Return whether a value was computed from an output of a network, graph or not."""
        return not self.ancestors([value]).isdisjoint(self.network_outputs)

    def pass_of(self, value: Value) -> ForwardPass | None:
        """Return the first pass of a network with parameters that returned a value."""
        passes = (forward for forward in self._record.passes if forward.parameters)
        return next((forward for forward in passes if value in forward.returned), None)

    def is_in_loss(self, forward: ForwardPass) -> bool:
        """Return whether a backward pass depends on the output of a forward pass."""
        return any(value in self.reaching_backward for value in forward.returned)

    def backward_passes_from(self, values: Iterable[Value]) -> list[BackwardPass]:
        """Return the backward passes that go back through the graph to `values`."""
        found = _closure(values, self._in_graph)
        return [b for b in self._record.backward_passes if any(r in found for r in b.roots)]

    def _inputs(self, value: Value) -> Iterator[Value]:
        producer = self._record.producer(value)
        if producer is not None:
            yield from producer.inputs

    def _results(self, value: Value) -> Iterator[Value]:
        for operator in self.consumers(value):
            yield from operator.outputs
            yield from operator.changed

    def _in_graph(self, value: Value) -> Iterator[Value]:
        for operator in self.consumers(value):
            if not is_cut(operator):
                yield from (v for v in (*operator.outputs, *operator.changed) if v.requires_grad)


def is_cut(operator: Operator) -> bool:
    """Return whether gradients end at an operator."""
    return operator.name in CUTS or not operator.grad_enabled


def _closure(start: Iterable[Value], step: Callable[[Value], Iterable[Value]]) -> set[Value]:
    found: set[Value] = set()
    waiting = list(start)
    while waiting:
        value = waiting.pop()
        if value not in found:
            found.add(value)
            waiting += step(value)
    return found
