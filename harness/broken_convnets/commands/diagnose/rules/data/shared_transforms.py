"""The subsets of one dataset share its transforms."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a change of a subset's dataset is meant for all subsets of it",
    stays_quiet="if only one subset of a dataset is loaded, about changes inside of loops, and "
    "about flags that do not switch random changes of the samples, or are switched back",
)
def subsets_share_a_transform(evidence: Evidence) -> Iterator[Finding]:
    """Find `validation.dataset.transform = ...`, which changes the training set too."""
    if not _loads_two_subsets(evidence):
        return
    for source in evidence.user_sources:
        changes = list(_changes(source)) or list(_switches(evidence, source))
        if not changes:
            continue
        statement, target = changes[-1]
        text = source.text_of(target)
        yield Finding(
            kind="training/augmented_validation",
            message=f"`{text} = ...` changes the dataset of all subsets, not of one",
            evidence="the loaded subsets have one dataset in common: the last value that is "
            f"assigned holds for all of them ({len(changes)} assigned); construct the dataset "
            "once for each split",
            cause=location_in(source, statement),
            subject=text,
            cases=("training/augmented_validation",),
            confidence=8,
        )
        return


def _loads_two_subsets(evidence: Evidence) -> bool:
    """Return whether the program reads two different subsets of one dataset."""
    subsets: dict[int, set[tuple[int, ...]]] = {}
    for loader in evidence.record.loaders:
        if loader.dataset.positions is not None:
            subsets.setdefault(loader.dataset.base, set()).add(loader.dataset.positions)
    return any(len(different) > 1 for different in subsets.values())


def _changes(source: Source) -> Iterator[tuple[ast.Assign, ast.Attribute]]:
    """Yield the assignments of a transform to `<subset>.dataset`, those in loops aside."""
    for statement, target in _below_subsets(source):
        if "transform" in target.attr and not source.loops_around(statement):
            yield statement, target


def _switches(evidence: Evidence, source: Source) -> Iterator[tuple[ast.Assign, ast.Attribute]]:
    """Yield the last assignment of a flag that makes the samples of the training random."""
    flags = [
        (statement, target)
        for statement, target in _below_subsets(source)
        if isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, bool)
    ]
    owners = [source.text_of(target) for _, target in flags]
    scopes = {source.function_of(statement) for statement, _ in flags}
    if not flags or len(set(owners)) < len(owners) or len(scopes) > 1:
        return  # switched back somewhere
    statement, target = flags[-1]
    before = not source.loops_around(statement) and _is_before_training(evidence, source, statement)
    if before and _switches_randomness(evidence, target.attr):
        yield statement, target


def _below_subsets(source: Source) -> Iterator[tuple[ast.Assign, ast.Attribute]]:
    """Yield the assignments to an attribute of `<subset>.dataset`."""
    for statement in source.statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        owner = target.value if isinstance(target, ast.Attribute) else None
        below = isinstance(owner, ast.Attribute) and owner.attr == "dataset"
        if below and isinstance(statement, ast.Assign) and isinstance(target, ast.Attribute):
            yield statement, target


def _is_before_training(evidence: Evidence, source: Source, statement: ast.stmt) -> bool:
    """Return whether a loader is made or trained with later in the function of a statement."""
    function = source.function_of(statement)
    name = function.name if function else "<module>"
    last = function.end_lineno if function else len(source.lines)
    lines = range(statement.lineno + 1, (last or 0) + 1)
    for loader in evidence.record.loaders:
        epochs = [epoch.places for epoch in loader.epochs if trains(evidence, epoch)]
        for places in (*epochs, *([loader.places] if epochs else ())):
            own = (p for p in places if p.file == source.path and p.function == name)
            if any(place.line in lines for place in own):
                return True
    return False


def _switches_randomness(evidence: Evidence, name: str) -> bool:
    """Return whether the samples of a copy are random with one value of a flag only."""
    for loader in evidence.record.loaders:
        samples = Samples.of(evidence, loader) if loader.dataset.positions else None
        base = below_subsets(samples.dataset) if samples else None
        if samples is None or not isinstance(getattr(base, "__dict__", {}).get(name), bool):
            continue
        found = set()
        for value in (True, False):
            setattr(base, name, value)
            found.add(samples.is_random())
        return len(found) > 1
    return False
