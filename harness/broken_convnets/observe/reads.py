"""What laws ask of a subject beyond its networks, by name: each is read in one call.

A loader, a dataset or a patched class stays in the process of the subject; the values come out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.observe.data_reads import epochs, pairs, split_indices, validation, workers
from broken_convnets.observe.run_reads import inputs_change, old_graph, step_gradients
from broken_convnets.observe.scaled_runs import scaled_update

if TYPE_CHECKING:
    from collections.abc import Callable

READS: dict[str, Callable[..., Any]] = {
    "epochs": epochs,
    "inputs_change": inputs_change,
    "old_graph": old_graph,
    "pairs": pairs,
    "scaled_update": scaled_update,
    "split_indices": split_indices,
    "step_gradients": step_gradients,
    "validation": validation,
    "workers": workers,
}
