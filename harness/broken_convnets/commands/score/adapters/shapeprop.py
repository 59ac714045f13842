"""torch.fx: trace the network symbolically, then follow the shapes from node to node.

A trace stands for one path through `forward`. Where the path depends on the input it cannot
be made, and the tool says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from broken_convnets.commands.score.adapters._opened import ModelTool, Opened
from broken_convnets.commands.score.adapters._raised import raised, unsupported
from broken_convnets.commands.score.protocol import (
    Diagnosis,
    Finding,
    Location,
    Role,
    Status,
    diagnosed,
)
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Request

# What symbolic values refuse, by design: nothing is wrong with the network.
SYMBOLIC = re.compile(r"\bProxy\b|symbolic trac|symbolically traced")


class ShapeProp(ModelTool):
    """`torch.fx.symbolic_trace` and `torch.fx.passes.shape_prop.ShapeProp`."""

    def examine(self, opened: Opened) -> Diagnosis:
        """Trace the network, then run it node by node on the example batch."""
        import torch  # noqa: PLC0415  (a list of the tools must not load it)
        from torch.fx.passes import shape_prop  # noqa: PLC0415  (likewise)

        class Reached(shape_prop.ShapeProp):  # type: ignore[misc]  # torch is not there for mypy
            """Remembers the node it has come to."""

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
        reached = Reached(torch.fx.GraphModule(opened.net, graph))
        try:
            reached.propagate(*opened.inputs)
        except Exception as error:  # noqa: BLE001  (the network's code)
            found = raised(error.__cause__ or error, opened.request)
            return diagnosed([at_node(found, reached.node, opened.request)])
        return Diagnosis(Status.CLEAN)


def untraced(error: Exception, request: Request) -> Diagnosis:
    """Return why there is no trace: the network's fault, or what no trace can follow."""
    if type(error).__name__ == "TraceError" or SYMBOLIC.search(str(error)):
        return unsupported(error)
    return diagnosed([raised(error, request)])


def at_node(found: Finding, node: Any, request: Request) -> Finding:
    """Return a finding with the module and the line that a node came from."""
    stack = dict(getattr(node, "meta", {}) or {}).get("nn_module_stack") or {}
    owners = [path for path, _ in stack.values()]
    path = node.target if getattr(node, "op", "") == "call_module" else (owners or [None])[-1]
    name = request.file.rpartition("/")[2]
    lines = [
        int(match["line"])
        for match in FRAME.finditer(getattr(node, "stack_trace", "") or "")
        if match["file"].rpartition("/")[2] == name
    ]
    at = Location(lines[-1], Role.SYMPTOM) if lines else found.location
    return replace(found, module=path or None, location=at)


tool = ShapeProp
