"""Which layers and parameters of a network its forward passes use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Parameter
    from broken_convnets.observe.recorder.values import Value


class Usage:
    """A network that is still alive, beside the record of its forward passes."""

    def __init__(self, evidence: Evidence, network: nn.Module) -> None:
        """Look at one of `record.kept_networks`."""
        self._evidence = evidence
        self._network = network

    @cached_property
    def passes(self) -> list[ForwardPass]:
        """The forward passes of the whole network that returned."""
        found = [p for p in self._evidence.record.all_passes() if p.network() is self._network]
        return [p for p in found if p.whole and p.operators_at_end is not None]

    @cached_property
    def parameters(self) -> list[tuple[str, nn.Parameter, Parameter]]:
        """Each parameter with its path and its record; none if the network was changed since."""
        named = list(self._network.named_parameters())
        numbers = self.passes[0].parameters if self.passes else ()
        if len(named) != len(numbers):
            return []
        known = self._evidence.record.parameters
        return [(n, p, known[k]) for (n, p), k in zip(named, numbers, strict=True)]

    @cached_property
    def _called(self) -> set[int]:
        found = (one.module() for one in self._evidence.record.called)
        return {id(module) for module in found if module is not None}

    @cached_property
    def _used(self) -> set[int]:
        """The identities of the parameters that an operator uses while a module is running."""
        flow = self._evidence.flow
        return {
            id(parameter)
            for _, parameter, known in self.parameters
            if any(o.layer for value in known.values for o in flow.consumers(value))
        }

    def unused_layers(self) -> Iterator[tuple[str, nn.Module, nn.Module]]:
        """Yield path, parent and layer of the outermost layers that are never used."""
        if self.parameters:
            yield from self._unused_in("", self._network)

    def _unused_in(
        self, prefix: str, parent: nn.Module
    ) -> Iterator[tuple[str, nn.Module, nn.Module]]:
        for name, child in parent.named_children():
            if self._is_unused(child):
                yield f"{prefix}{name}", parent, child
            else:
                yield from self._unused_in(f"{prefix}{name}.", child)

    def _is_unused(self, layer: nn.Module) -> bool:
        own = list(layer.parameters())
        trained = any(parameter.requires_grad for parameter in own)
        called = any(id(module) in self._called for module in layer.modules())
        return trained and not called and not any(id(p) in self._used for p in own)

    def layer_of(self, value: Value) -> str:
        """Return the path of the layer that a value is a parameter of; empty if it is none."""
        return self._layers.get(value, "")

    @cached_property
    def _layers(self) -> dict[Value, str]:
        return {v: path.rpartition(".")[0] for path, _, p in self.parameters for v in p.values}

    def last_layer(self, inside: str) -> str:
        """Return the path of the last called layer with a weight inside a module; else nothing."""
        calls = [call for p in self.passes[-1:] for call in p.calls]
        prefix = f"{inside}." if inside else ""
        paths = [c.path for c in calls if c.path.startswith(prefix) and _has_weight(c.module())]
        return paths[-1] if paths else ""


def _has_weight(module: nn.Module | None) -> bool:
    return isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
