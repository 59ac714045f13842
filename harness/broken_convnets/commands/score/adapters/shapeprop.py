"""torch.fx: trace the network symbolically, then propagate the shapes from node to node.

A trace is one path through `forward`. The tool declines a network whose path depends on the
input.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from broken_convnets.commands.score.adapters._opened import ModelTool, OpenedProgram
from broken_convnets.commands.score.adapters._raised import exception_finding, unsupported_diagnosis
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Status,
)
from broken_convnets.commands.score.protocol.validation import diagnosis_of
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request

# Limits of symbolic tracing, which are not mistakes of the network.
SYMBOLIC = re.compile(r"\bProxy\b|symbolic trac|symbolically traced")


class ShapeProp(ModelTool):
    """`torch.fx.symbolic_trace` and `torch.fx.passes.shape_prop.ShapeProp`."""

    def examine(self, opened: OpenedProgram) -> Diagnosis:
        """Trace the network, then run it node by node on the example batch."""
        import torch  # noqa: PLC0415  (only when the tool runs)
        from torch.fx.passes import shape_prop  # noqa: PLC0415  (only when the tool runs)

        class RecordingShapeProp(shape_prop.ShapeProp):  # type: ignore[misc]  # mypy runs without torch
            """Records the node that is running."""

            node: Any = None

            def run_node(self, n: Any) -> Any:
                self.node = n
                return super().run_node(n)

        tracer = torch.fx.Tracer()
        tracer.record_stack_traces = True
        try:
            graph = tracer.trace(opened.net)
        except Exception as error:  # noqa: BLE001  (the network's code, run on symbols)
            return untraced(error, opened.request)
        reached = RecordingShapeProp(torch.fx.GraphModule(opened.net, graph))
        try:
            reached.propagate(*opened.inputs)
        except Exception as error:  # noqa: BLE001  (the network's code)
            found = exception_finding(error.__cause__ or error, opened.request)
            return diagnosis_of([at_node(found, reached.node, opened.request)])
        return Diagnosis(Status.CLEAN)


def untraced(error: Exception, request: Request) -> Diagnosis:
    """Return the diagnosis of a failed trace: a mistake of the network, or a limit of tracing."""
    if type(error).__name__ == "TraceError" or SYMBOLIC.search(str(error)):
        return unsupported_diagnosis(error)
    return diagnosis_of([exception_finding(error, request)])


def at_node(found: Finding, node: Any, request: Request) -> Finding:
    """Return the finding with the module and the line of a node."""
    stack = dict(getattr(node, "meta", {}) or {}).get("nn_module_stack") or {}
    owners = [path for path, _ in stack.values()]
    path = node.target if getattr(node, "op", "") == "call_module" else (owners or [None])[-1]
    name = request.file.rpartition("/")[2]
    lines = [
        int(match["line"])
        for match in FRAME.finditer(getattr(node, "stack_trace", "") or "")
        if match["file"].rpartition("/")[2] == name
    ]
    at = Location(lines[-1], LocationRole.SYMPTOM) if lines else found.location
    return replace(found, module=path or None, location=at)


tool = ShapeProp
