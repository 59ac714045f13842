"""The job that runs a diagnostic tool in a sandboxed process: its payload and its answer."""

from __future__ import annotations

from msgspec import Struct

from broken_convnets.commands.score.protocol.messages import Diagnosis, Need, Request

RUN_TOOL = "broken_convnets.commands.score.in_child:run_tool"  # ToolJob -> ToolReport


class ToolRef(Struct, frozen=True):
    """Which tool to run, in a form that another process can open (`registry.open_tool`).

    `argv` is the command of an executable that implements the protocol. Without it, `name` is
    a bundled tool or an installed one.
    """

    name: str
    argv: list[str] = []
    needs: list[Need] = []
    batch: int = 1
    version: str = ""  # of a tool whose answers come from a file


class ToolJob(Struct, frozen=True):
    """Requests for one tool, answered in one process; without any, the tool describes itself."""

    tool: ToolRef
    requests: tuple[Request, ...] = ()  # hashable


class ToolReport(Struct, frozen=True):
    """What a tool returned: its description, and one diagnosis per request in their order.

    `missing` says what to install before the tool can run.
    """

    version: str = ""
    needs: list[Need] = []
    batch: int = 1
    missing: str = ""
    diagnoses: list[Diagnosis] = []
    seconds: float = 0.0  # for all requests together
