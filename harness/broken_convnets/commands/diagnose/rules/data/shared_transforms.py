"""The subsets of one dataset share its transforms."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in, user_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a change of a subset's dataset is meant for all subsets of it",
    stays_quiet="if only one subset of a dataset is loaded, and about changes inside of loops",
)
def subsets_share_a_transform(evidence: Evidence) -> Iterator[Finding]:
    """Find `validation.dataset.transform = ...`, which changes the training set too."""
    if not _loads_two_subsets(evidence):
        return
    for source in user_sources(evidence):
        changes = list(_changes(source))
        if not changes:
            continue
        statement, target = changes[-1]
        text = source.text_of(target)
        yield Finding(
            rule="subsets_share_a_transform",
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
    """Yield the assignments to an attribute of `<subset>.dataset`, those in loops aside."""
    for statement in source.statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        owner = target.value if isinstance(target, ast.Attribute) else None
        below = isinstance(owner, ast.Attribute) and owner.attr == "dataset"
        if not below or not isinstance(statement, ast.Assign) or source.loops_around(statement):
            continue
        if isinstance(target, ast.Attribute) and "transform" in target.attr:
            yield statement, target
