"""Open a program for a tool that runs it: import the file, create network, inputs and targets.

Everything uses one seed and the CPU, and runs in the process of the tool.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.protocol.messages import Diagnosis, Need
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import error_diagnosis
from broken_convnets.util.mask import mask_error

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import ProgramNames, Request
    from broken_convnets.observe.program import Program

SEED = 0


class OpenedProgram:
    """A program with its network, inputs and targets."""

    def __init__(self, request: Request, file: str = "") -> None:
        """Use `file`, by default the file of the request; `open` imports it."""
        self.request = request
        self.stage = "import"
        beside = Path(request.file).absolute().parent
        self.file = beside / (file or request.file)

    def open(self) -> None:
        """Import the program and create its parts; `stage` says which part is being created.

        Raises whatever the program raises.
        """
        self.program: Program = _program(self.file, self.request.names)
        self.stage = "build"
        self.net: Any = self.program.net()
        self.stage = "inputs"
        self.inputs: tuple[Any, ...] = self.program.inputs()
        self.targets: tuple[Any, ...] = self.program.targets()
        self.stage = "run"

    def run(self) -> None:
        """Call the program's `run`, or one forward pass if it has none."""
        self.program.run(self.net, self.inputs, self.targets)


class TorchTool(Tool):
    """A tool that is part of torch."""

    def version(self) -> str:
        """Return the version of torch."""
        return f"torch {version('torch').partition('+')[0]}"


class ModelTool(TorchTool):
    """A tool that is part of torch and needs the network and an example batch."""

    needs = frozenset({Need.MODEL})

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the diagnosis; an error if the program fails before the tool can examine it."""
        opened = OpenedProgram(request)
        try:
            opened.open()
        except Exception as error:  # noqa: BLE001  (the code of the program)
            return failed_before(opened, error)
        return self.examine(opened)

    def examine(self, opened: OpenedProgram) -> Diagnosis:
        """Return the diagnosis of an opened program."""
        raise NotImplementedError


def failed_before(opened: OpenedProgram, error: Exception) -> Diagnosis:
    """Return the diagnosis of a program that raises before the tool can examine it."""
    what = f"{opened.stage}: {type(error).__name__}: {mask_error(error)}"
    return error_diagnosis(f"the program fails before the tool runs: {what}")


def _program(file: Path, names: ProgramNames) -> Program:
    from broken_convnets.observe.program import Program, seed_everything  # noqa: PLC0415  (imports torch)

    seed_everything(SEED)
    return Program(_renamed(_module(file), names), SEED, "cpu")


def _module(file: Path) -> ModuleType:
    """Import a file by its own name, so that pickle and worker processes can import it too."""
    sys.path.insert(0, str(file.parent))
    importlib.invalidate_caches()
    module = importlib.import_module(file.stem)
    if Path(module.__file__ or "").name != file.name:
        message = f"{file.name} cannot be imported: another module of that name is already imported"
        raise ImportError(message)
    return module


def _renamed(module: ModuleType, names: ProgramNames) -> ModuleType:
    """Return the parts of a program under the names that the corpus uses."""
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
