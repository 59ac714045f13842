"""What an optimizer reads: known keys of its parameter groups, and its defaults only once."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.attributes import is_read, optimizer_names
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a parameter group has settings by the names that its optimizer reads",
    stays_quiet="unless a dictionary with `params` has another name for a setting, which the "
    "program reads nowhere, with another value than the one that is used",
)
def group_key_is_not_read(evidence: Evidence) -> Iterator[Finding]:
    """Find `{"params": ..., "learning_rate": 1e-4}`."""
    require_success(evidence)
    for setting in evidence.record.unread_settings.values():
        if setting.owner != "group" or is_read(evidence, setting.name):
            continue
        for source, key in _keys(evidence, setting.name):
            rename = partial(edits.replace, source, [(key, repr(setting.meant))])
            yield Finding(
                kind="training/not_learning",
                message=f"{setting.type} does not read '{setting.name}' of a parameter group: the "
                f"setting is '{setting.meant}'",
                evidence=f"the group has {setting.name}={setting.value:g}, and steps with "
                f"{setting.meant}={setting.used:g}; optimizers accept any key",
                cause=location_in(source, key),
                subject=setting.name,
                candidates=candidates((0, rename)),
                confidence=8,
            )
            break


def _keys(evidence: Evidence, name: str) -> Iterator[tuple[Source, ast.Constant]]:
    """Yield the keys of this name in dictionaries that are written as parameter groups."""
    for source in evidence.user_sources:
        for node in source.expressions:
            keys = [one for one in getattr(node, "keys", ()) if isinstance(one, ast.Constant)]
            if isinstance(node, ast.Dict) and any(one.value == "params" for one in keys):
                yield from ((source, one) for one in keys if one.value == name)


@rule(
    "settings of an optimizer are changed in its param_groups, not in its defaults",
    stays_quiet="unless a statement changes an item of `optimizer.defaults`, which only new "
    "groups read, and no group is added; about programs that read `defaults` themselves",
)
def defaults_are_not_read(evidence: Evidence) -> Iterator[Finding]:
    """Find `optimizer.defaults["lr"] *= 0.1`."""
    require_success(evidence)
    sources = list(evidence.user_sources)
    known = optimizer_names(evidence)
    if any("add_param_group" in s.text or _reads_defaults(s) for s in sources):
        return
    for source in sources:
        for statement in source.statements:
            target = _target(statement)
            owner = target.value.value if target is not None else None  # type: ignore[attr-defined]
            name = getattr(owner, "attr", getattr(owner, "id", ""))
            if target is None or name not in known:
                continue
            yield Finding(
                kind="training/not_learning",
                message=f"`{source.text_of(target)}` is changed, and no step reads it",
                evidence="an optimizer reads its defaults when it gets a parameter group; steps "
                "read param_groups",
                cause=location_in(source, statement),
                subject=source.text_of(target),
                candidates=_in_groups(source, statement, target),
                confidence=7,
            )


def _reads_defaults(source: Source) -> bool:
    """Return whether an expression reads `.defaults`, other than to change an item of it."""
    changed = {target.value for one in source.statements if (target := _target(one)) is not None}
    return any(
        isinstance(node, ast.Attribute) and node.attr == "defaults" and node not in changed
        for node in source.expressions
    )


def _target(statement: ast.stmt) -> ast.Subscript | None:
    """Return what a statement assigns to, if it is an item of an attribute `defaults`."""
    target: ast.expr | None = None
    if isinstance(statement, ast.AugAssign):
        target = statement.target
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    held = target.value if isinstance(target, ast.Subscript) else None
    is_default = isinstance(held, ast.Attribute) and held.attr == "defaults"
    return target if isinstance(target, ast.Subscript) and is_default else None


def _in_groups(source: Source, statement: ast.stmt, target: ast.Subscript) -> tuple[Candidate, ...]:
    """Return the change that sets the value in every group."""
    text, shown = source.text_of(statement), source.text_of(target)
    owner = shown.split(".defaults")[0]
    indent = edits.indentation(source, statement)
    inner = f"group[{source.text_of(target.slice)}]{text[len(shown) :]}"
    new = f"for group in {owner}.param_groups:\n{indent}    {inner}"
    return candidates((0, partial(edits.replace, source, [(statement, new)])))
