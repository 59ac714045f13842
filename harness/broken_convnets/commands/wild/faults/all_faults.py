"""All fault classes: importing their modules registers them."""

from __future__ import annotations

from broken_convnets.commands.wild.faults import (
    channels,
    construction,
    data,
    data_flow,
    forward,
    loss,
    registration,
    signatures,
    training,
)
from broken_convnets.commands.wild.faults.registry import FAULTS, Fault
from broken_convnets.errors import UsageError

MODULES = (
    channels,
    construction,
    data,
    data_flow,
    forward,
    loss,
    registration,
    signatures,
    training,
)


def faults_named(names: list[str]) -> list[Fault]:
    """Return fault classes by the ids of their cases; all of them without names.

    Raises UsageError for an unknown one.
    """
    for name in names:
        if name not in FAULTS:
            known = ", ".join(sorted(FAULTS))
            message = f"--classes {name}: unknown; choose from {known}"
            raise UsageError(message)
    return [FAULTS[name] for name in names] or list(FAULTS.values())
