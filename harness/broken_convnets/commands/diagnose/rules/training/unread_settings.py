"""The settings of an optimizer are those of its parameter groups."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.attributes import (
    assigned,
    is_read,
    optimizer_names,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.attributes import Assigned
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.unread_settings import UnreadSetting


@rule(
    "settings of an optimizer are changed in its param_groups, by their own names",
    stays_quiet="about attributes that the program reads, those that are equal to the setting, "
    "and classes that are not of torch.optim",
)
def setting_is_not_read(evidence: Evidence) -> Iterator[Finding]:
    """Find `optimizer.lr = 1e-4`, which no optimizer of torch reads."""
    for setting in evidence.record.unread_settings.values():
        place = _place(evidence, setting)
        if place is None:
            continue
        owners = optimizer_names(evidence) | {place.owner_name}
        if is_read(evidence, setting.name, None if setting.owner == "group" else owners):
            continue
        shown = place.source.text_of(place.target)
        yield Finding(
            kind="training/not_learning",
            message=f"{setting.type} does not read `{shown}`: it changes nothing",
            evidence=f"`{shown}` is {setting.value:g}, and the optimizer steps with "
            f'param_groups[...]["{setting.meant}"], which is {setting.used:g}',
            cause=location_in(place.source, place.statement),
            subject=shown,
            candidates=candidates((0, partial(_change, setting, place))),
            confidence=8,
        )


def _place(evidence: Evidence, setting: UnreadSetting) -> Assigned | None:
    """Return the assignment to what is known as an optimizer, or the only one of this name."""
    every = list(assigned(evidence, setting.name))
    known = optimizer_names(evidence)
    named = [one for one in every if one.owner_name in known]
    return next(iter(named or every), None) if named or len(every) == 1 else None


def _change(setting: UnreadSetting, place: Assigned) -> Patch:
    """Return the change that assigns the setting of every group."""
    key = f'["{setting.meant}"] {place.sign} {place.value}'
    if setting.owner == "group":
        return edits.replace(place.source, [(place.statement, f"{place.owner}{key}")])
    owner = f"{place.owner}.optimizer" if setting.owner == "scheduler" else place.owner
    indent = edits.indentation(place.source, place.statement)
    text = f"for group in {owner}.param_groups:\n{indent}    group{key}"
    return edits.replace(place.source, [(place.statement, text)])
