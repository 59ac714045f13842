"""Which values are outputs of a network, and which depend on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.values import Value


def network_outputs(evidence: Evidence) -> set[Value]:
    """Return the values that networks with parameters returned."""
    return {
        value
        for forward in evidence.record.passes
        if forward.parameters
        for value in forward.returned
    }


def depends_on_network(evidence: Evidence, value: Value) -> bool:
    """Return whether a value was computed from an output of a network."""
    return not evidence.flow.ancestors([value]).isdisjoint(network_outputs(evidence))
