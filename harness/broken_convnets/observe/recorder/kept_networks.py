"""Keep networks alive after the program ended, so that they can be looked at and called again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.observe.recorder.record import Record

NETWORKS = 12
ELEMENTS = 50_000_000  # of parameters and buffers, of all networks that are kept


class KeptNetworks:
    """Keeps the first network of each class and place of construction, within a bound."""

    def __init__(self, record: Record) -> None:
        """Start with none."""
        self._record = record
        self._elements = 0
        self._kinds: set[object] = set()

    def meet(self, network: nn.Module) -> None:
        """Keep a network that is called for the first time, if it is one more of its kind."""
        built = self._record.construction(network)
        kind = (type(network), built.places if built else None)
        size = sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))
        full = len(self._kinds) >= NETWORKS or self._elements + size > ELEMENTS
        if not size or kind in self._kinds or full:
            return
        self._kinds.add(kind)
        self._elements += size
        self._record.kept_networks.append(network)
