"""Load a program of the corpus and call its parts: network, inputs, targets, run."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

FILE_NAME = "program.py"


class Program:
    """A program under one seed and device.

    Networks are made and run under `torch.device(device)`; inputs and targets are made
    on the CPU, as a data loader makes them, and then moved.
    """

    def __init__(self, module: ModuleType, seed: int, device: str) -> None:
        """Wrap an imported program."""
        self._module = module
        self.seed = seed
        self.device = torch.device(device)
        self.has_run = self.has("run")
        self.has_targets = self.has("example_targets")

    @classmethod
    def load(cls, source: str, seed: int, device: str) -> Program:
        """Write `source` into the working directory and import it from there.

        A real file, so that `inspect.getsource`, pickling and worker processes see what
        they would see for anyone's program. Raises whatever the program raises.
        """
        path = Path.cwd() / FILE_NAME
        path.write_text(source, encoding="utf-8")
        sys.path.insert(0, str(path.parent))
        seed_everything(seed, device)
        with torch.device(device):
            module = importlib.import_module(path.stem)
        return cls(module, seed, device)

    def net(self, seed: int | None = None) -> torch.nn.Module:
        """Return a new network, the same for the same seed."""
        seed_everything(self.seed if seed is None else seed, self.device)
        with self.device:
            net: torch.nn.Module = self._module.Net()
        return net

    def inputs(self, batch_size: int | None = None) -> tuple[Any, ...]:
        """Return the network's example inputs."""
        return self._make("example_inputs", batch_size)

    def targets(self, batch_size: int | None = None) -> tuple[Any, ...]:
        """Return what comes after the inputs in `run`; empty without `example_targets`."""
        return self._make("example_targets", batch_size) if self.has_targets else ()

    def run(self, net: torch.nn.Module, inputs: tuple[Any, ...], targets: tuple[Any, ...]) -> Any:
        """Do what the program is for: its `run`, or one forward pass where it has none."""
        with self.device:
            if self.has_run:
                return self._module.run(net, *inputs, *targets)
            return net(*inputs)

    def has(self, name: str) -> bool:
        """Return whether the program defines `name`."""
        return hasattr(self._module, name)

    def call(self, name: str, *arguments: object) -> Any:
        """Call a function of the program by its name, seeded."""
        seed_everything(self.seed + 2, self.device)
        return getattr(self._module, name)(*arguments)

    def forward(self, net: torch.nn.Module, *inputs: object) -> Any:
        """Run one forward pass."""
        with self.device:
            return net(*inputs)

    def _make(self, name: str, batch_size: int | None) -> tuple[Any, ...]:
        seed_everything(self.seed + 1, self.device)
        maker: Callable[..., Any] = getattr(self._module, name)
        values = maker() if batch_size is None else maker(batch_size=batch_size)
        return tuple(move(values, self.device))


def move(values: Any, device: torch.device) -> Any:
    """Return `values` with every tensor inside on `device`."""
    return map_tensors(values, lambda tensor: tensor.to(device))


def map_tensors(values: Any, change: Callable[[torch.Tensor], Any]) -> Any:
    """Return `values` with `change` applied to every tensor inside."""
    return pytree.tree_map(
        lambda value: change(value) if isinstance(value, torch.Tensor) else value, values
    )


def tensors(values: object) -> list[torch.Tensor]:
    """Return the tensors inside any nesting of tuples, lists and dicts, in order."""
    leaves, _ = pytree.tree_flatten(values)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def seed_everything(seed: int, device: torch.device | str = "cpu") -> None:
    """Seed the generators of torch, NumPy and the standard library.

    That of an accelerator only for a program that runs there: `torch.manual_seed` asks each to
    be seeded once it is there, and formats the stack for every such request, which takes a
    small network longer than a layer does.
    """
    on_cpu = torch.device(device).type == "cpu"
    (torch.default_generator.manual_seed if on_cpu else torch.manual_seed)(seed)
    np.random.seed(seed)  # noqa: NPY002  (programs of the corpus may use the global one)
    random.seed(seed)
