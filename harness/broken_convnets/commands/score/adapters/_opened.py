"""Open a program for a tool that runs it: import its file, make network, inputs and targets.

All of it from one seed, on the CPU, and in the process that asks: it is the program's code.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.protocol import Diagnosis, Need, failed
from broken_convnets.commands.score.tool import Tool
from broken_convnets.util.mask import mask_error

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Names, Request
    from broken_convnets.observe.program import Program

SEED = 0


class Opened:
    """A program with its network, its inputs and its targets."""

    def __init__(self, request: Request, file: str = "") -> None:
        """Open `file`, by default the request's; raises whatever the program raises."""
        self.request = request
        self.stage = "import"
        beside = Path(request.file).absolute().parent
        self.file = beside / (file or request.file)

    def open(self) -> None:
        """Make what the program is made of; `stage` says how far it came."""
        self.program: Program = _program(self.file, self.request.names)
        self.stage = "build"
        self.net: Any = self.program.net()
        self.stage = "inputs"
        self.inputs: tuple[Any, ...] = self.program.inputs()
        self.targets: tuple[Any, ...] = self.program.targets()
        self.stage = "run"

    def run(self) -> None:
        """Do what the program is for: its `run`, or one forward pass."""
        self.program.run(self.net, self.inputs, self.targets)


class TorchTool(Tool):
    """A tool that is part of torch."""

    def version(self) -> str:
        """Return the version of torch."""
        return f"torch {version('torch').partition('+')[0]}"


class ModelTool(TorchTool):
    """A tool of torch's own that works on the network and an example batch."""

    needs = frozenset({Need.MODEL})

    def diagnose(self, request: Request) -> Diagnosis:
        """Return what the tool says; an error where the program fails before it is asked."""
        opened = Opened(request)
        try:
            opened.open()
        except Exception as error:  # noqa: BLE001  (it is the program's code)
            return failed_before(opened, error)
        return self.examine(opened)

    def examine(self, opened: Opened) -> Diagnosis:
        """Return what the tool says of a program that could be opened."""
        raise NotImplementedError


def failed_before(opened: Opened, error: Exception) -> Diagnosis:
    """Return that a program raised before there was anything for the tool to judge."""
    what = f"{opened.stage}: {type(error).__name__}: {mask_error(error)}"
    return failed(f"the program fails before the tool ran: {what}")


def _program(file: Path, names: Names) -> Program:
    from broken_convnets.observe.program import Program, seed_everything  # noqa: PLC0415  (imports torch)

    seed_everything(SEED)
    return Program(_view(_module(file), names), SEED, "cpu")


def _module(file: Path) -> ModuleType:
    """Import a file under its own name, so that pickling and worker processes find it."""
    sys.path.insert(0, str(file.parent))
    importlib.invalidate_caches()
    module = importlib.import_module(file.stem)
    if Path(module.__file__ or "").name != file.name:
        message = f"{file.name} cannot be imported: a module of that name is loaded already"
        raise ImportError(message)
    return module


def _view(module: ModuleType, names: Names) -> ModuleType:
    """Return the parts of a program under the names that the harness has for them."""
    view = ModuleType(module.__name__)
    parts = {
        "Net": names.net,
        "example_inputs": names.inputs,
        "example_targets": names.targets,
        "run": names.run,
    }
    for ours, theirs in parts.items():
        if theirs is not None:
            setattr(view, ours, getattr(module, theirs))
    return view
