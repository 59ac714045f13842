"""Which diagnostic tool to run, and what it reports."""

from __future__ import annotations

from msgspec import Struct

from broken_convnets.commands.score.protocol import Diagnosis, Need, Request

RUN_TOOL = "broken_convnets.commands.score.run_tool:run_tool"  # ToolRequest -> ToolReport


class ToolRef(Struct, frozen=True):
    """Which diagnostic tool, in a form that another process can open (`score/tool.py`).

    `argv` is an executable that speaks the protocol; without it `name` is a bundled tool or
    one that a distribution announces.
    """

    name: str
    argv: list[str] = []
    needs: list[Need] = []
    batch: int = 1


class ToolRequest(Struct, frozen=True):
    """Requests for one tool, answered in one process; without any, the tool describes itself."""

    tool: ToolRef
    requests: tuple[Request, ...] = ()  # hashable


class ToolReport(Struct, frozen=True):
    """What a diagnostic tool returned: its description, and a diagnosis per request in order.

    `missing` names what must be installed before it can be asked.
    """

    version: str = ""
    needs: list[Need] = []
    batch: int = 1
    missing: str = ""
    diagnoses: list[Diagnosis] = []
    seconds: float = 0.0  # for all of them
