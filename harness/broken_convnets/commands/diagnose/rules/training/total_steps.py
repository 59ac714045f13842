"""OneCycleLR knows how many steps the training has."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    assigned_name,
    assignments,
    candidates,
    location,
    location_in,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site


@rule(
    "a OneCycleLR is constructed for all steps of the training",
    stays_quiet="about other schedulers, which may step as often as they like",
)
def total_steps_exceeded(evidence: Evidence) -> Iterator[Finding]:
    """Find a OneCycleLR that steps more often than its `total_steps`."""
    frame = require_failure(evidence, ValueError)
    if "The specified number of total steps is" not in evidence.message:
        return
    for built in reversed(list(evidence.record.built_schedulers)):
        total = built.settings.get("total_steps")
        site = site_of(evidence, built.places)
        if total is None or site is None:
            continue
        epochs = max((len(loader.epochs) for loader in evidence.record.loaders), default=0)
        batches = max(
            (epoch.batches for loader in evidence.record.loaders for epoch in loader.epochs),
            default=0,
        )
        rounded = _rounded_down(site)
        seen = f"; epoch {epochs} has begun, and an epoch has {batches} batches" if epochs else ""
        yield Finding(
            kind="training/onecycle_total_steps",
            message=f"the schedule has {total:.0f} steps in all, and the training makes more",
            evidence=f"step {total + 1:.0f} fails{seen}; "
            + (
                f"`{site.source.text_of(rounded)}` leaves the last batch out, which has fewer "
                "samples"
                if rounded
                else "the total is the number of epochs times the number of steps in an epoch"
            ),
            cause=location_in(site.source, rounded) if rounded else location(built.places),
            symptom=frame_location(frame),
            subject="total_steps",
            cases=("training/onecycle_total_steps_exceeded",),
            candidates=candidates(
                *(_rounded_up(site, rounded) if rounded else _longer(evidence, site))
            ),
            confidence=10,
        )
        return


def _rounded_down(site: Site) -> ast.BinOp | None:
    """Return the floor division that the number of steps in an epoch comes from."""
    steps = argument(site.call, "steps_per_epoch", 4) or argument(site.call, "total_steps", 2)
    scope = site.source.function_of(site.call) or site.source.tree
    if isinstance(steps, ast.Name):
        values = [one.value for one in assignments(site.source, steps.id, scope)]
        steps = values[0] if len(values) == 1 else None
    for node in ast.walk(steps) if steps is not None else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
            return node
    return None


def _rounded_up(site: Site, division: ast.BinOp) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the change of `len(data) // batch_size` to the length of the loader, or rounded up."""
    counted = division.left
    data = counted.args[:1] if isinstance(counted, ast.Call) else []
    for node in site.source.nodes if data else ():
        made = node.value if isinstance(node, ast.Assign) else None
        if isinstance(made, ast.Call) and called_name(made) == "DataLoader" and made.args:
            same = site.source.text_of(made.args[0]) == site.source.text_of(data[0])
            name = assigned_name(site.source, node) if isinstance(node, ast.Assign) else ""
            if same and name:
                yield 0, partial(edits.replace, site.source, [(division, f"len({name})")])
    left, right = map(site.source.text_of, (division.left, division.right))
    yield 1, partial(edits.replace, site.source, [(division, f"-(-{left} // {right})")])


def _longer(evidence: Evidence, site: Site) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the changes that multiply the total by the number of epochs, by the names it has."""
    total = argument(site.call, "total_steps", 2)
    for epochs in _epochs(evidence):
        for rank, name in enumerate(dict.fromkeys((epochs, epochs.rpartition(".")[2]))):
            if total is not None:
                text = f"{name} * {site.source.text_of(total)}"
                yield rank, partial(edits.replace, site.source, [(total, text)])


def _epochs(evidence: Evidence) -> Iterator[str]:
    """Yield the numbers of rounds of the loops around the failed step, the outermost first."""
    for frame in reversed(evidence.frames):
        node = frame.expression or frame.statement
        for loop in reversed(frame.source.loops_around(node) if node else []):
            rounds = loop.iter if isinstance(loop, ast.For) else None
            if isinstance(rounds, ast.Call) and called_name(rounds) == "range" and rounds.args:
                yield frame.source.text_of(rounds.args[-1])
