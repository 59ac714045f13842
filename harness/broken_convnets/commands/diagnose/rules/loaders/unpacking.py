"""What a statement that failed would have unpacked: the names, the value, and its parts."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, Dataset

from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.analysis.returns import callee
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN, value_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.returns import Callee
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

AROUND = {"tqdm", "trange", "track", "progress_bar"}  # which yield what they are given


@dataclass(frozen=True)
class Unpacking:
    """A tuple of names, and the expression whose value, or whose items, it unpacks.

    `numbered` is whether enumerate() is around the loader, and `target` takes its pairs.
    """

    source: Source
    statement: ast.Assign | ast.For
    target: ast.Tuple | ast.List
    value: ast.expr
    numbered: bool = False

    @property
    def looped(self) -> bool:
        """Whether it unpacks each item of a loop."""
        return isinstance(self.statement, ast.For)

    @property
    def names(self) -> list[str]:
        """The texts of what is assigned to."""
        return [self.source.text_of(element) for element in self.target.elts]

    @property
    def starred(self) -> bool:
        """Whether one of the names takes all that is left."""
        return any(isinstance(element, ast.Starred) for element in self.target.elts)


def unpacking_of(
    source: Source, statement: ast.stmt | None, target: ast.expr | None = None
) -> Unpacking | None:
    """Return what a statement unpacks, into `target` if it has several; None if it does not."""
    if isinstance(statement, ast.Assign):
        own, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.For):
        own, value = statement.target, statement.iter
    else:
        return None
    while isinstance(value, ast.Call) and called_name(value) in AROUND and value.args:
        value = value.args[0]
    numbered = isinstance(statement, ast.For) and _is_enumerate(value)
    if numbered and isinstance(value, ast.Call):
        value = _inside(value)
        pair = isinstance(own, ast.Tuple) and len(own.elts) == 2  # noqa: PLR2004  (number and item)
        inner = own.elts[1] if pair and isinstance(own, ast.Tuple) else None
        if isinstance(inner, ast.Tuple | ast.List) and target is not own:
            own, numbered = inner, False
    if not isinstance(own, ast.Tuple | ast.List) or (target is not None and own is not target):
        return None
    return Unpacking(source, statement, own, value, numbered)


def _is_enumerate(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called_name(node) == "enumerate" and bool(node.args)


def _inside(node: ast.Call) -> ast.expr:
    """Return what an enumerate() counts."""
    value = node.args[0]
    while isinstance(value, ast.Call) and called_name(value) in AROUND and value.args:
        value = value.args[0]
    return value


def dataset_of(evidence: Evidence, index: int, node: ast.expr) -> Any:
    """Return the dataset of a loader with no collate function of its own; None if unknown.

    A call that constructs the loader, such as `DataLoader(data, 4)`, is read too.
    """
    frame = evidence.frames[index]
    loader = frame.value(node)
    if isinstance(loader, DataLoader):
        return loader.dataset if _collates(loader) else None
    origin = origin_of(evidence, index, node)
    call = origin.node
    made = value_of(call.func, origin.scope) if isinstance(call, ast.Call) else None
    if not isinstance(call, ast.Call) or not isinstance(made, type):
        return None
    if not issubclass(made, DataLoader) or argument(call, "collate_fn", 7) is not None:
        return None
    given = argument(call, "dataset", 0)
    data = value_of(given, origin.scope) if given is not None else UNKNOWN
    if data is not UNKNOWN:
        return data
    where = (origin.source.path, call.lineno)
    for one in reversed(evidence.record.loaders):
        if any((place.file, place.line) == where for place in one.places):
            return one.data
    return None


def _collates(loader: DataLoader[Any]) -> bool:
    return getattr(loader.collate_fn, "__name__", "") == "default_collate"


def sample_of(evidence: Evidence, dataset: Any) -> object:
    """Return the first sample of a dataset; None if it cannot be read."""
    if not isinstance(dataset, Dataset) and not isinstance(dataset, list):
        return None
    return evidence.probing.run(lambda: dataset[0])


def keys_of(evidence: Evidence, index: int, found: Unpacking) -> list[str]:
    """Return the keys of the mapping that is unpacked; empty if it is none."""
    frame = evidence.frames[index]
    value = frame.value(found.value) if not found.looped else None
    if found.looped:
        value = sample_of(evidence, dataset_of(evidence, index, found.value))
    keys = list(value) if isinstance(value, Mapping) else []
    return keys if all(isinstance(key, str) for key in keys) else []


def sample_method(evidence: Evidence, dataset: Any) -> Callee | None:
    """Return the `__getitem__` of the user's dataset, that of a Subset's own dataset."""
    while hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
        dataset = dataset.dataset
    method = getattr(dataset, "__getitem__", None)
    return callee(evidence, method) if method is not None else None
