"""Find a tool by its name: a bundled adapter, an installed entry point, or an executable."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from broken_convnets.commands.score import adapters
from broken_convnets.commands.score.executable import Executable
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.tool import Tool
    from broken_convnets.commands.score.tool_jobs import ToolRef

ENTRY_POINT_GROUP = "broken_convnets.tools"


def open_tool(ref: ToolRef) -> Tool:
    """Return the tool that `ref` names. Raises UsageError if there is no such tool."""
    return Executable(ref) if ref.argv else find_tool(ref.name)


def bundled_tools() -> list[str]:
    """Return the names of the tools that this package includes."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(adapters.__path__)
        if not module.name.startswith("_")
    )


def require_known(name: str) -> None:
    """Raise UsageError, with the known names, if no tool is called `name`."""
    if name in bundled_tools():  # searching the entry points of all packages is slow
        return
    installed = sorted(entry_points(group=ENTRY_POINT_GROUP).names)
    if name not in installed:
        known = ", ".join([*bundled_tools(), *installed])
        message = f"unknown tool {name!r}: choose from {known}, or pass --exec COMMAND"
        raise UsageError(message)


def find_tool(name: str) -> Tool:
    """Return a bundled or installed tool. Raises UsageError if there is none of that name."""
    require_known(name)
    if name in bundled_tools():
        make = importlib.import_module(f"{adapters.__name__}.{name}").tool
    else:
        make = entry_points(group=ENTRY_POINT_GROUP)[name].load()
    tool: Tool = make()
    return tool
