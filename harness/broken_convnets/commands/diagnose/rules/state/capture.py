"""What is traced or exported does not branch on the values of its inputs."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import fx

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.places import is_user_file
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]
POOLS = {"avg_pool2d": "adaptive_avg_pool2d", "max_pool2d": "adaptive_max_pool2d"}
EXPORTERS = ("torch._dynamo", "torch._export", "torch.export", "torch.fx.experimental")


@rule(
    "a network that torch.fx traces does not branch on its inputs",
    stays_quiet="about failures outside of a symbolic trace",
)
def traced_control_flow(evidence: Evidence) -> Iterator[Finding]:
    """Find conditions, loops and conversions of values that torch.fx does not know."""
    frame = require_failure(evidence)
    values = list(frame.scope.local.values())
    if not any(isinstance(value, fx.Proxy) for value in values):
        return
    what = frame.expression or frame.statement
    text = shortened(frame.source.text_of(what)) if what else ""
    yield Finding(
        kind="state/fx_control_flow",
        message=f"`{text}` needs a number, and torch.fx traces without one",
        evidence="symbolic tracing runs forward() once, with placeholders: conditions, loops and "
        "int() on inputs or their sizes cannot be traced",
        cause=frame_location(frame),
        subject=text,
        cases=("state/fx_trace_control_flow_min",),
        candidates=candidates(*_adaptive(frame)),
        confidence=10,
    )


def _adaptive(frame: UserFrame) -> Iterator[Attempt]:
    """Yield the adaptive pooling to 1 x 1 for a pooling over the whole size of the map."""
    source, statement = frame.source, frame.statement
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Name) or statement is None:
        return
    for node in ast.walk(frame.function or source.tree):
        if not isinstance(node, ast.Call) or called_name(node) not in POOLS:
            continue
        sizes = [a for a in node.args[1:] if isinstance(a, ast.Name) and a.id == target.id]
        if not sizes:
            continue
        old = source.text_of(node.func)
        new = old.replace(called_name(node), POOLS[called_name(node)])
        call = f"{new}({source.text_of(node.args[0])}, 1)"
        yield 0, partial(_pooled, frame, node, call)


def _pooled(frame: UserFrame, node: ast.Call, call: str) -> Patch:
    """Replace the pooling, and delete the statement that computes the size."""
    source, statement = frame.source, frame.statement
    text = edits.replace(source, [(node, call)])[source.path]
    lines = text.split("\n")
    if statement is not None and statement.lineno < node.lineno:
        del lines[statement.lineno - 1 : statement.end_lineno]
    return {source.path: "\n".join(lines)}


@rule(
    "an exported network does not depend on the values of its inputs",
    stays_quiet="about exceptions of other parts of PyTorch",
)
def exported_control_flow(evidence: Evidence) -> Iterator[Finding]:
    """Find the line of the program that torch.export or torch.compile cannot capture."""
    frame = require_failure(evidence)
    error = evidence.error
    if error is None or not type(error).__module__.startswith(EXPORTERS):
        return
    where = _named_place(str(error)) or frame_location(frame)
    source = evidence.source(where.file)
    statement = source.statement_at(where.line) if source else None
    text = shortened(source.text_of(statement)) if source and statement else ""
    yield Finding(
        kind="state/export_data_dependent",
        message=f"`{text}` depends on the values of the inputs, which an export cannot capture",
        evidence=f"{type(error).__name__}: {shortened(evidence.message, 100)}",
        cause=where,
        symptom=frame_location(frame),
        subject=text,
        cases=("state/export_data_dependent_branch",),
        confidence=9,
    )


def _named_place(message: str) -> Location | None:
    """Return the last of the user's own lines that a message names."""
    found = [
        Location(match["file"], int(match["line"]))
        for match in FRAME.finditer(message)
        if is_user_file(match["file"])
    ]
    return found[-1] if found else None
