"""A class has one number in training and in validation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose.analysis.bindings import attribute_assignments
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import below_subsets
from broken_convnets.commands.diagnose.sites import assignments, location, site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Loader

LARGE = 10_000  # classes
DATASET = "dataset"


@rule(
    "a class has one number in training and in validation",
    stays_quiet="about datasets of two types, tables that have as many entries as the dataset has "
    "samples, and targets that a target_transform changes",
)
def class_numbers_differ(evidence: Evidence) -> Iterator[Finding]:
    """Find two splits that number their classes apart, as ImageFolder does by their folders."""
    loaders = [one for one in evidence.record.loaders if one.data is not None]
    training = [one for one in loaders if any(trains(evidence, epoch) for epoch in one.epochs)]
    for first in training:
        for second in loaders:
            if second in training:
                continue
            found = _conflict(first, second)
            if found is None:
                continue
            name, key, numbers = found
            yield Finding(
                kind="data/pairs_out_of_order",
                message=f"{name} assigns one class different indices in training and validation",
                evidence=f"{key!r} is class {numbers[0]} in training and class {numbers[1]} in "
                "validation: each dataset enumerates only the classes that it has",
                cause=_table_line(evidence, second, name) or _dataset_of(evidence, second),
                symptom=location(first.places),
                subject=name,
                confidence=8,
            )
            return


def _conflict(first: Loader, second: Loader) -> tuple[str, str, tuple[int, int]] | None:
    """Return a table of two datasets, a class, and its two numbers; None if none differs."""
    one, other = below_subsets(first.data), below_subsets(second.data)
    if one is other or type(one) is not type(other):
        return None
    theirs = _tables(other)
    for name, table in _tables(one).items():
        for key, number in table.items():
            if theirs.get(name, {}).get(key, number) != number:
                return name, key, (number, theirs[name][key])
    return None


def _tables(dataset: Any) -> dict[str, dict[str, int]]:
    """Return the attributes of a dataset that number classes by their names, from 0."""
    held = getattr(dataset, "__dict__", {})
    if held.get("target_transform") is not None:
        return {}
    return {name: value for name, value in held.items() if _is_table(value, dataset)}


def _is_table(value: object, dataset: Any) -> bool:
    if type(value) is not dict or not 1 < len(value) <= LARGE:
        return False
    named = all(type(key) is str and type(number) is int for key, number in value.items())
    try:
        size = len(dataset)
    except (TypeError, NotImplementedError):
        return False
    return named and sorted(value.values()) == list(range(len(value))) and len(value) < size


def _table_line(evidence: Evidence, loader: Loader, name: str) -> Location | None:
    """Return the line that orders the classes, if the dataset is of a class of the program."""
    dataset = below_subsets(loader.data)
    for source in class_sources(evidence, dataset):
        found = list(attribute_assignments(source, dataset, name))
        if found:
            _, statement, value = found[-1]
            return Location(source.path, _order(source, dataset, value) or statement.lineno)
    return None


def _order(source: Source, dataset: Any, value: ast.expr) -> int | None:
    """Return the line of the attribute of a dataset whose items `value` enumerates."""
    for call in ast.walk(value):
        if isinstance(call, ast.Call) and called_name(call) == "enumerate" and call.args:
            listed = call.args[0]
            name = listed.attr if isinstance(listed, ast.Attribute) else ""
            found = list(attribute_assignments(source, dataset, name)) if name else []
            return found[-1][1].lineno if found else None
    return None


def _dataset_of(evidence: Evidence, loader: Loader) -> Location | None:
    """Return the line that assigns the dataset of a loader, else that of the loader."""
    site = site_of(evidence, loader.places)
    given = argument(site.call, DATASET, 0) if site else None
    if site is not None and isinstance(given, ast.Name):
        scope = site.source.function_of(site.call) or site.source.tree
        found = assignments(site.source, given.id, scope)
        if len(found) == 1:
            return Location(site.source.path, found[0].lineno)
    return location(loader.places)
