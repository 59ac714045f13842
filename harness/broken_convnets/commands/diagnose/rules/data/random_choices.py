"""Whether a dataset of the program changes its samples by chance, as an augmentation does."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import torch

from broken_convnets.commands.diagnose.analysis.callables import code_of
from broken_convnets.commands.diagnose.rules.data.samples import SEEDS, Samples
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.places import is_user_file
from broken_convnets.observe.recorder.random_transforms import random_transforms

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

RANDOM = re.compile(r"\brand|random|bernoulli|\brng\.|generator\.")
DEPTH = 4  # of transforms inside of transforms
FUNCTIONS = 40  # that are looked at
PLANE = 2  # dimensions of an image without channels
Method = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Code:
    """The functions of the program that make a sample, and the file of each."""

    functions: dict[Method, Source]

    @classmethod
    def of(cls, evidence: Evidence, dataset: Any) -> Code:
        """Follow __getitem__ to the functions and the transforms that it calls."""
        code = cls({})
        code._enter(evidence, getattr(type(dataset), "__getitem__", None))
        for one in (*user_transforms(dataset).values(), *code._outside(dataset)):
            if callable(one) and not isinstance(one, type):
                code._enter(evidence, one)
        return code

    def draws(self, *, crops: bool) -> bool:
        """Return whether an `if` depends on a random number, or with `crops` a slice."""
        return any(
            _is_conditional(source, function) or (crops and _crops(source, function))
            for function, source in self.functions.items()
        )

    def random_transforms(self, dataset: Any) -> list[str]:
        """Return the random transforms of torchvision that the functions find by a name."""
        found = [random_transforms(SimpleNamespace(held=one)) for one in self._outside(dataset)]
        return [name for one in found for name in one.values()]

    def is_switched(self) -> bool:
        """Return whether an attribute that decides over a sample changes after construction."""
        for function, source in self.functions.items():
            read = {n.attr for n in ast.walk(function) if _is_of_self(n)}
            if "training" in read or any(_is_set(source, name) for name in read):
                return True
        return False

    def _outside(self, dataset: Any) -> list[object]:
        """Return the globals and the attributes of the class that the functions read."""
        names = {n.id for one in self.functions for n in ast.walk(one) if isinstance(n, ast.Name)}
        read = {n.attr for one in self.functions for n in ast.walk(one) if _is_of_self(n)}
        getter = getattr(type(dataset), "__getitem__", None)
        held = [v for name, v in getattr(getter, "__globals__", {}).items() if name in names]
        return held + [v for name, v in vars(type(dataset)).items() if name in read]

    def _enter(self, evidence: Evidence, called: object) -> None:
        """Add the function of a callable, and the functions of its file that it calls."""
        code = code_of(called)
        path, line = getattr(code, "co_filename", ""), getattr(code, "co_firstlineno", 0)
        source = evidence.source(path) if is_user_file(path) else None
        function = source.function_named(getattr(code, "co_name", ""), line) if source else None
        waiting: list[Method] = [function] if function else []
        while source is not None and waiting and len(self.functions) < FUNCTIONS:
            one = waiting.pop()
            if one in self.functions:
                continue
            self.functions[one] = source
            names = {called_name(n) for n in ast.walk(one) if isinstance(n, ast.Call)}
            waiting += [n for n in source.nodes if isinstance(n, Method) and n.name in names]


def user_transforms(dataset: Any) -> dict[int, object]:
    """Return the program's own functions and callable objects that a dataset holds, by identity."""
    found: dict[int, object] = {}
    _collect(list(getattr(dataset, "__dict__", {}).values()), found, DEPTH)
    return found


def augments(evidence: Evidence, base: Any, samples: Samples, *, crops: bool) -> str:
    """Return what changes the first value of a sample by chance; empty if nothing is known to.

    Noise that is added to each sample may belong to the task, and random `crops` where images
    have different sizes.
    """
    if not _stores_samples(base) or not samples.is_random():
        return ""
    code = Code.of(evidence, base)
    known = code.random_transforms(base)
    if code.is_switched() or not (known or code.draws(crops=crops) or _are_permuted(samples)):
        return ""
    own = [getattr(t, "__name__", type(t).__name__) for t in user_transforms(base).values()]
    return ", ".join(known or own) or f"{type(base).__name__}.__getitem__"


def _collect(values: list[Any], found: dict[int, object], depth: int) -> None:
    for value in values if depth else ():
        if isinstance(value, list | tuple):
            _collect(list(value[:DEPTH]), found, depth - 1)
        elif callable(value):
            if is_user_file(getattr(code_of(value), "co_filename", "")):
                found[id(value)] = value
            inside = getattr(value, "__dict__", {})
            parts = [inside.get(name) for name in ("transforms", "transform", "lambd", "fns")]
            _collect([*parts, getattr(value, "func", None)], found, depth - 1)


def _stores_samples(base: Any) -> bool:
    """Return whether a dataset holds its images or their files, and does not draw them itself."""
    try:
        length = len(base)
    except TypeError:
        return False
    for value in getattr(base, "__dict__", {}).values():
        if isinstance(value, torch.Tensor | np.ndarray):
            if value.ndim > PLANE and len(value) == length:
                return True
        elif isinstance(value, list | tuple) and value and len(value) == length:
            row = value[0] if isinstance(value[0], list | tuple) else [value[0]]
            if any(_is_image(item) for item in row):
                return True
    return False


def _is_image(value: Any) -> bool:
    """Return whether a value is an image, or the name of a file."""
    if isinstance(value, str | Path):
        return bool(Path(value).suffix)
    if isinstance(value, torch.Tensor | np.ndarray):
        return bool(value.ndim >= PLANE)
    return type(value).__module__.startswith("PIL.")


def _are_permuted(samples: Samples) -> bool:
    """Return whether the pixels of an image only change their places, as in a flip."""
    reads = [read[0] for seed in range(SEEDS) if (read := samples.read(0, seed))]
    if not reads or any(one.numel() != reads[0].numel() for one in reads):
        return False
    ordered = [one.flatten().sort().values for one in reads]
    return all(bool((one == ordered[0]).all()) for one in ordered)


def _is_conditional(source: Source, function: Method) -> bool:
    tests = [n.test for n in ast.walk(function) if isinstance(n, ast.If | ast.IfExp)]
    return any(_is_random(source, test, _drawn(source, function)) for test in tests)


def _crops(source: Source, function: Method) -> bool:
    """Return whether a function reads a part of something from a random index on."""
    drawn = _drawn(source, function)
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            slices = [n for n in ast.walk(node.slice) if isinstance(n, ast.Slice) and n.lower]
            if any(_is_random(source, n, drawn) for n in slices):
                return True
    return False


def _drawn(source: Source, function: Method) -> set[str]:
    """Return the variables of a function that are assigned a random number."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_random(source, node.value, set()):
            parts = [n for target in node.targets for n in ast.walk(target)]
            found |= {n.id for n in parts if isinstance(n, ast.Name)}
    return found


def _is_random(source: Source, node: ast.expr, drawn: set[str]) -> bool:
    """Return whether an expression draws a random number, or depends on one that was drawn."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and RANDOM.search(source.text_of(part.func)):
            return True
        if isinstance(part, ast.Name) and part.id in drawn:
            return True
    return False


def _is_of_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    return node.value.id == "self"


def _is_set(source: Source, name: str) -> bool:
    """Return whether code other than a constructor assigns to an attribute of this name."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == name:
            function = source.function_of(node)
            built = function is not None and function.name == "__init__" and _is_of_self(node)
            if isinstance(node.ctx, ast.Store) and not built:
                return True
        elif isinstance(node, ast.Call) and called_name(node) == "setattr":
            return True
    return False
