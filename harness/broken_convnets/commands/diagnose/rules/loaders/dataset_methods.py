"""A dataset defines `__len__` and `__getitem__`, which a DataLoader calls."""

from __future__ import annotations

import ast
import traceback
from functools import partial
from typing import TYPE_CHECKING

from torch.utils.data import Dataset, IterableDataset

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import class_sources
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource, FunctionNode
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]
MEANT = {"__len__": {"len", "length", "size"}, "__getitem__": {"getitem", "get", "getitems"}}


@rule(
    "a dataset defines __len__ and __getitem__",
    stays_quiet="about datasets of libraries, and IterableDataset",
)
def dataset_without_method(evidence: Evidence) -> Iterator[Finding]:
    """Find datasets whose `__len__` or `__getitem__` is missing or misspelled."""
    frame = require_failure(evidence, TypeError, NotImplementedError, AttributeError)
    for dataset in _datasets(evidence):
        missing = _missing(dataset)
        found = next(iter(class_sources(evidence, type(dataset))), None)
        if not missing or found is None or missing not in _asked_for(evidence):
            continue
        named = _misspelled(found, missing)
        name = type(dataset).__name__
        yield Finding(
            kind="data",
            message=f"{name} has no {missing}()"
            + (f", only {named.name}()" if named else "")
            + ", which a DataLoader calls",
            evidence=f"a dataset needs __len__(self) and __getitem__(self, index); {name} defines "
            f"{', '.join(one.name for one in found.methods) or 'neither'}",
            cause=location_in(found.source, named or found.node),
            symptom=frame_location(frame),
            subject=name,
            candidates=candidates(*_attempts(found, missing, named)),
            confidence=10,
        )
        return


def _datasets(evidence: Evidence) -> Iterator[Dataset[object]]:
    """Yield the datasets that code of the traceback was working with, the innermost first."""
    error = evidence.error
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__ if error else None)]
    for frame in reversed(frames):
        for name in ("self", "dataset", "data_source"):
            value = frame.f_locals.get(name)
            for one in (
                value,
                getattr(value, "dataset", None),
                getattr(value, "data_source", None),
            ):
                if isinstance(one, Dataset) and not isinstance(one, IterableDataset):
                    yield one


def _missing(dataset: object) -> str:
    if not hasattr(type(dataset), "__len__"):
        return "__len__"
    own = getattr(type(dataset), "__getitem__", None)
    return "__getitem__" if own is Dataset.__getitem__ else ""


def _asked_for(evidence: Evidence) -> str:
    """Return the method that the exception is about."""
    text = f"{type(evidence.error).__name__} {evidence.message}"
    if "has no len()" in text or "__len__" in text:
        return "__len__"
    return "__getitem__" if "__getitem__" in text or "NotImplementedError" in text else ""


def _misspelled(found: ClassSource, missing: str) -> FunctionNode | None:
    """Return the method whose name means the missing one, without its underscores."""
    plain = ((one.name.replace("_", "").lower(), one) for one in found.methods)
    return next((one for name, one in plain if name in MEANT[missing]), None)


def _attempts(found: ClassSource, missing: str, named: FunctionNode | None) -> Iterator[Attempt]:
    """Yield the right name, or a `__len__` that counts what `__getitem__` reads."""
    source = found.source
    if named is not None:
        yield 0, partial(_renamed, found, named, missing)
    elif missing == "__len__":
        reads = (n for n in ast.walk(found.node) if isinstance(n, ast.Subscript))
        read = next((n for n in reads if source.text_of(n.value).startswith("self.")), None)
        last = found.node.body[-1]
        if read is not None:
            text = f"\ndef __len__(self):\n    return len({source.text_of(read.value)})"
            yield 0, partial(_appended, found, last, text)


def _renamed(found: ClassSource, named: FunctionNode, name: str) -> Patch:
    lines = list(found.source.lines)
    first = named.lineno - 1
    lines[first] = lines[first].replace(f"def {named.name}(", f"def {name}(", 1)
    return {found.source.path: "\n".join(lines)}


def _appended(found: ClassSource, last: ast.stmt, text: str) -> Patch:
    space = edits.indentation(found.source, last)
    lines = [space + line if line else line for line in text.split("\n")]
    end = last.end_lineno or last.lineno
    return {
        found.source.path: "\n".join([*found.source.lines[:end], *lines, *found.source.lines[end:]])
    }
