"""All fault classes: importing their modules registers them."""

from __future__ import annotations

import importlib
import pkgutil

from broken_convnets.commands.wild import faults
from broken_convnets.commands.wild.faults.registry import FAULTS, Fault
from broken_convnets.errors import UsageError

for module in pkgutil.iter_modules(faults.__path__, f"{faults.__name__}."):
    importlib.import_module(module.name)


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
