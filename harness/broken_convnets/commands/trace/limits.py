"""What a trace could not follow, in sentences."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from broken_convnets.commands.trace.table import NetworkTable
    from broken_convnets.observe.failure import Failure
    from broken_convnets.observe.recorder.record import Record

# Modules whose layers run outside of Python.
CLOSED = {
    "OptimizedModule": "torch.compile",
    "RecursiveScriptModule": "TorchScript",
    "TopLevelTracedModule": "TorchScript",
    "TracedModule": "TorchScript",
}


def limits(
    networks: list[NetworkTable],
    record: Record,
    failure: Failure | None,
    step: int | None,
    compiled: int,
) -> list[str]:
    """Return, in a sentence each, what could not be traced.

    `compiled` is the number of `compiled_frames` before the run; `step` is the pass of each network
    that the user asked for.
    """
    notes = []
    seen = {row.type for network in networks for row in network.layers}
    by = {CLOSED[name] for name in seen & set(CLOSED)}
    if compiled_frames() > compiled:
        by.add("torch.compile")
    if "torch.compile" in by:
        notes.append(
            "code compiled by torch.compile ran: layers inside it are not shown; "
            "set TORCH_COMPILE_DISABLE=1 in the environment to see them"
        )
    if "TorchScript" in by:
        notes.append("a module ran as TorchScript: layers inside it are not shown")
    if failure and "DataLoader worker process" in failure.message:
        notes.append(
            "it failed in a worker process of a DataLoader, which is not traced: "
            "run it with num_workers=0"
        )
    missing = [n for n in record.networks if step and n.chosen is None]
    notes += [f"{printable(n.type)} ran {n.passes} times: it has no pass {step}" for n in missing]
    if not record.networks:
        notes.append("no network was called")
    return notes


def compiled_frames() -> int:
    """Return how many pieces of code torch.compile has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["frames"]["ok"]) if dynamo else 0
