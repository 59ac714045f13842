"""Which parameters a value may have a gradient for, and where the program cuts its graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.no_grad_blocks import no_grad_block

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

DETACHING = frozenset({"detach", "detach_", "__get__ data"})


@dataclass
class Reach:
    """The parameters that a value depends on without a cut of the program in between.

    `known` is False if an origin with a gradient is not known. `cuts` are the operators at which
    it ends, `values` all that it depends on up to there.
    """

    parameters: set[int] = field(default_factory=set)
    cuts: list[Operator] = field(default_factory=list)
    values: set[Value] = field(default_factory=set)
    known: bool = True


def explicit_cut(operator: Operator) -> bool:
    """Return whether an operator detaches a value that has a graph.

    Inside a custom autograd function, nothing records a graph that could be cut.
    """
    graph = any(value.requires_grad for value in operator.inputs)
    return operator.name in DETACHING and operator.grad_enabled and graph


class Reaching:
    """Follows values back to parameters: further than the graph does, and never less far."""

    def __init__(self, evidence: Evidence) -> None:
        """Index the values of the parameters, and what networks return under no_grad()."""
        self._evidence, record = evidence, evidence.record
        self._numbers = {value: p.number for p in record.parameters for value in p.values}
        self._blocked = {
            value
            for forward in record.passes
            if not forward.grad_enabled and forward.parameters
            for value in forward.returned
        }

    def of(self, values: Iterable[Value]) -> Reach:
        """Return what values depend on."""
        found, waiting = Reach(), list(values)
        while waiting:
            value = waiting.pop()
            if value in found.values:
                continue
            found.values.add(value)
            maker = self._evidence.record.producer(value)
            if value in self._numbers:
                found.parameters.add(self._numbers[value])
            elif maker is None or value.parameter:
                found.known &= not (value.requires_grad or value.parameter)
            elif explicit_cut(maker) or self._is_blocked(value, maker):
                found.cuts.append(maker)
            elif not _is_statistic(value, maker):
                waiting += maker.inputs
        return found

    def _is_blocked(self, value: Value, maker: Operator) -> bool:
        """Return whether a network returned a value inside of a `with torch.no_grad()`."""
        if value not in self._blocked or maker.grad_enabled:
            return False
        return no_grad_block(self._evidence, maker.places)[1] is not None


def _is_statistic(value: Value, maker: Operator) -> bool:
    """Return whether a value is a running mean or variance that batch normalization wrote."""
    return maker.name == "batch_norm" and value in maker.changed and not value.requires_grad
