"""Find which tools the options of `score` name."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.score.protocol.messages import Need
from broken_convnets.commands.score.registry import bundled_tools, require_known
from broken_convnets.commands.score.sarif.tool_name import name_and_version
from broken_convnets.commands.score.tool_jobs import ToolRef
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    import argparse

_NAME = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,99}")  # usable as a file name


def selected_tools(options: argparse.Namespace) -> list[ToolRef]:
    """Return the tools that the options name. Raises UsageError if none or several ways do."""
    file = options.sarif or options.predictions
    ways = [bool(options.tools), bool(options.exec), bool(file)]
    if sum(ways) != 1:
        message = "pass tool names, or exactly one of --exec, --sarif and --predictions"
        raise UsageError(message)
    _check_key(options, file)
    if len(options.tools) > 1 and (options.recorded or options.sarif_out):
        message = "--recorded and --sarif-out work with one tool: run the tools one at a time"
        raise UsageError(message)
    for name in options.tools:
        require_known(name)
    return [ToolRef(name) for name in dict.fromkeys(options.tools)] or [_own_tool(options)]


def _check_key(options: argparse.Namespace, file: Path | None) -> None:
    """Raise UsageError unless the key accompanies a file, and then decides on the programs."""
    if bool(file) != bool(options.key):
        message = (
            "--sarif and --predictions need --key, the file that `broken-convnets programs` wrote"
            if file
            else "--key works with --sarif and --predictions: the programs of other runs are drawn"
        )
        raise UsageError(message)
    if options.kinds and not options.sarif:
        message = "--kinds works with --sarif only: other answers state their kinds themselves"
        raise UsageError(message)
    if file and (options.variants or options.both_sides or options.seed is not None):
        message = (
            "--variants, --seed and --both-sides have no effect on answers in a file: pass them to "
            "`broken-convnets programs`"
        )
        raise UsageError(message)
    if options.key and not options.key.is_file():
        message = f"cannot read {options.key}: the file does not exist"
        raise UsageError(message)


def _own_tool(options: argparse.Namespace) -> ToolRef:
    """Return the user's own tool: an executable, or a file with its answers."""
    name = options.name
    if name and not _NAME.fullmatch(name):
        message = f"--name {name}: not usable as a file name"
        raise UsageError(message)
    if name and name in bundled_tools():
        message = f"--name {name}: a bundled tool has this name; choose another one"
        raise UsageError(message)
    if options.sarif:
        return _tool_of_log(name, options.sarif)
    if options.predictions:
        return ToolRef(name or _not_bundled(options.predictions.stem))
    argv = _command(options.exec)
    needs = [need for need in Need if need in options.needs]
    return ToolRef(name or Path(argv[-1]).stem, argv, needs, options.batch)


def _tool_of_log(name: str | None, path: Path) -> ToolRef:
    """Return the tool of a SARIF log, under its own name and version."""
    stated, version = name_and_version(path)
    if not name and stated and not _NAME.fullmatch(stated):
        message = f"{path}: the name of the tool is not usable as a file name; pass --name"
        raise UsageError(message)
    return ToolRef(name or _not_bundled(stated or path.stem), version=version)


def _not_bundled(name: str) -> str:
    """Return a name that no bundled tool has, whose record is not of the same answers."""
    return f"{name}-own" if name in bundled_tools() else name


def _command(text: str) -> list[str]:
    """Return the command of --exec with absolute paths of files; raises UsageError if invalid."""
    try:
        parts = shlex.split(text)
    except ValueError as error:
        message = f"--exec {text}: {error}"
        raise UsageError(message) from None
    argv = [str(Path(part).absolute()) if Path(part).is_file() else part for part in parts]
    if not argv or shutil.which(argv[0]) is None:
        message = f"--exec {text}: the executable was not found"
        raise UsageError(message)
    return argv
