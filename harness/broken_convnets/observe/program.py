"""A program of the corpus: its network, inputs, targets and run, as a subject of the laws."""

from __future__ import annotations

import ast
import ctypes
import importlib
import os
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from broken_convnets.observe.devices import creating_on
from broken_convnets.observe.local_network import LocalNetwork
from broken_convnets.observe.reads import READS
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import move

if TYPE_CHECKING:
    from collections.abc import Callable
FILE_NAME = "program.py"
MAIN = "__main__"


class Program:
    """A program under one seed and device.

    Networks are built and run under `torch.device(device)`; inputs and targets are created on the
    CPU, as a data loader creates them, and then moved.
    """

    def __init__(self, module: ModuleType, seed: int, device: str) -> None:
        """Wrap an imported program."""
        self._module = module
        self.seed = seed
        self.device = torch.device(device)
        self.has_run = hasattr(module, "run")
        self.has_targets = hasattr(module, "example_targets")

    @classmethod
    def load(cls, source: str, seed: int, device: str, *, as_main: bool = False) -> Program:
        """Write `source` into the working directory and import it from there.

        A real file, so that `inspect.getsource`, pickling and worker processes see what
        they would see for anyone's program. Raises whatever the program raises. With `as_main`,
        it runs as `__main__`, without its main guard.
        """
        path = Path.cwd() / FILE_NAME
        path.write_text(source, encoding="utf-8")
        sys.path.insert(0, str(path.parent))
        seed_everything(seed, device)
        with creating_on(torch.device(device)):
            module = _run_as_main(path) if as_main else importlib.import_module(path.stem)
        return cls(module, seed, device)

    def functions(self) -> list[str]:
        """Return the names that the program defines."""
        return [name for name in vars(self._module) if not name.startswith("__")]

    def net(self, seed: int | None = None) -> torch.nn.Module:
        """Return a new network, the same for the same seed."""
        seed_everything(self.seed if seed is None else seed, self.device)
        with creating_on(self.device):
            net: torch.nn.Module = self._module.Net()
        return net

    def apart(self) -> Program:
        """Return this subject, which has no process of its own."""
        return self

    def draws(self) -> random.Random:
        """Return a generator that yields the same every time."""
        return random.Random(self.seed)  # noqa: S311  (no secret)

    def build(self, seed: int | None = None) -> LocalNetwork:
        """Return a new network as the laws see it, the same for the same seed."""
        run = self._run if self.has_run else None
        return LocalNetwork(
            self.net(seed), lambda net, inputs: net(*inputs), run, self.device, self.call
        )

    def inputs(self, batch_size: int | None = None) -> tuple[Any, ...]:
        """Return the network's example inputs."""
        return self._make("example_inputs", batch_size)

    def targets(self, batch_size: int | None = None) -> tuple[Any, ...]:
        """Return what comes after the inputs in `run`; empty without `example_targets`."""
        return self._make("example_targets", batch_size) if self.has_targets else ()

    def run(self, net: torch.nn.Module, inputs: tuple[Any, ...], targets: tuple[Any, ...]) -> Any:
        """Do what the program is for: its `run`, or one forward pass if it has none."""
        with creating_on(self.device):
            return self._run(net, inputs, targets) if self.has_run else net(*inputs)

    def forward(self, net: torch.nn.Module, *inputs: object) -> Any:
        """Run one forward pass."""
        with creating_on(self.device):
            return net(*inputs)

    def require_run(self) -> None:
        """Raise NotApplicableError if the program has no `run`."""
        self._require(self.has_run, "run")

    def require_targets(self) -> None:
        """Raise NotApplicableError if the program has no `example_targets`."""
        self._require(self.has_targets, "targets")

    def require(self, function: str) -> None:
        """Raise NotApplicableError if the program has no function of this name."""
        self._require(hasattr(self._module, function), function)

    def reread(self, values: Any) -> Any:
        """Return values as they are: those of this process are not copies."""
        return values

    def read(self, what: str, *arguments: float) -> Any:
        """Return what one of the functions in `reads.py` returns for the program."""
        return READS[what](self, *arguments)

    def call(self, function: str, *arguments: object) -> Any:
        """Call a function of the program, seeded."""
        self.require(function)
        seed_everything(self.seed + 2, self.device)
        return getattr(self._module, function)(*arguments)

    def _require(self, there: bool, what: str) -> None:  # noqa: FBT001  (it reads like a sentence)
        if not there:
            message = f"the program has no {what}"
            raise NotApplicableError(message)

    def _run(self, net: torch.nn.Module, inputs: tuple[Any, ...], targets: tuple[Any, ...]) -> Any:
        return self._module.run(net, *inputs, *targets)

    def _make(self, name: str, batch_size: int | None) -> tuple[Any, ...]:
        seed_everything(self.seed + 1, self.device)
        maker: Callable[..., Any] = getattr(self._module, name)
        values = maker() if batch_size is None else maker(batch_size=batch_size)
        return tuple(move(values, self.device))


def _run_as_main(path: Path) -> ModuleType:
    """Run a file as the module `__main__`, but for its main guard, and return the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    tree.body = [node for node in tree.body if not _is_main_guard(node)]
    module = ModuleType(MAIN)
    module.__file__ = str(path)
    sys.modules[MAIN] = module  # pickle looks classes up there
    exec(compile(tree, str(path), "exec"), vars(module))  # noqa: S102  (that is the point)
    return module


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == f"__name__ == '{MAIN}'"


def seed_everything(seed: int, device: torch.device | str = "cpu") -> None:
    """Seed the generators of torch, NumPy, Python's standard library and, on POSIX, of C's.

    The generator of an accelerator is seeded only for a program that runs there:
    `torch.manual_seed` formats the stack for each accelerator, which takes longer than a layer of
    a small network does.
    """
    on_cpu = torch.device(device).type == "cpu"
    (torch.default_generator.manual_seed if on_cpu else torch.manual_seed)(seed)
    np.random.seed(seed)  # noqa: NPY002  (programs of the corpus may use the global one)
    random.seed(seed)
    if os.name == "posix":
        ctypes.CDLL(None).srand(seed)  # PIL's `effect_noise` draws from it
