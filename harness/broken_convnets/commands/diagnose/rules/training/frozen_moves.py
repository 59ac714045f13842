"""An optimizer leaves frozen parameters alone."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

LASTING = 4  # steps: a GAN freezes its discriminator for fewer


@rule(
    "an optimizer step does not change parameters that do not require gradients",
    stays_quiet="if the .grad of the frozen parameters is None or not zero, if they move in fewer "
    "than 4 steps in a row, or never had a gradient",
)
def frozen_parameter_moves(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that momentum or weight decay moves, as their `.grad` is zeros, not None."""
    require_success(evidence)
    record = evidence.record
    trained = {number for one in record.backward_passes for number in one.received}
    moves = _moves(evidence)
    found = [number for number in sorted(moves) if number in trained]
    if not found:
        return
    first = found[0]
    changes = moves[first]
    step = next(s for s in record.optimizer_steps if first in s.frozen_changes)
    name = record.parameters[first].name or "a parameter"
    yield Finding(
        kind="training/frozen_layers",
        message=f"the optimizer changes {name}, although it is frozen",
        evidence=f"{len(found)} parameters with requires_grad=False still have a .grad of zeros, "
        f"which is not None, so that the momentum, averages or weight decay of {step.type} apply: "
        f"{name} changes in {len(changes)} steps by up to {max(changes):.3g} each. The optimizer "
        "skips parameters only if .grad is None",
        cause=_freezing(evidence) or location(step.places),
        symptom=location(step.places),
        subject=name,
        confidence=8,
    )


def _moves(evidence: Evidence) -> dict[int, list[float]]:
    """Return the changes of each frozen parameter that moves in enough steps of an optimizer."""
    moves: dict[int, list[float]] = {}
    running: dict[int, list[float]] = {}
    for step in evidence.record.optimizer_steps:
        for number in step.parameters:
            if number not in step.frozen_changes:
                running.pop(number, None)
                continue
            changes = running.setdefault(number, [])
            changes.append(step.frozen_changes[number])
            if len(changes) >= LASTING:
                moves[number] = changes
    return moves


def _freezing(evidence: Evidence) -> Location | None:
    """Return the only line that may set requires_grad to False; None if there are several."""
    found = [
        location_in(source, node)
        for source in evidence.user_sources
        for node in source.nodes
        if isinstance(node, ast.Assign | ast.Call) and _freezes(source, node)
    ]
    return found[0] if len(set(found)) == 1 else None


def _freezes(source: Source, node: ast.Assign | ast.Call) -> bool:
    """Return whether a node sets requires_grad to anything but True."""
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        value: ast.expr | None = node.value
        sets = isinstance(target, ast.Attribute) and target.attr == "requires_grad"
    else:
        every = [*node.args, *(keyword.value for keyword in node.keywords)]
        value = every[0] if every else None
        sets = isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_"
    return sets and value is not None and source.text_of(value) != "True"
