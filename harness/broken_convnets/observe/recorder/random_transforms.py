"""Which random transforms of torchvision a dataset applies."""

from __future__ import annotations

from typing import Any

DEPTH = 4  # of objects inside objects
PACKAGE = "torchvision.transforms"
OTHERS = frozenset({"ColorJitter", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"})


def random_transforms(dataset: Any) -> dict[int, str]:
    """Return the names of the random transforms that a dataset holds, by the objects' identity."""
    found: dict[int, str] = {}
    _collect(list(getattr(dataset, "__dict__", {}).values()), found, DEPTH)
    return found


def _collect(values: list[Any], found: dict[int, str], depth: int) -> None:
    for value in values if depth else ():
        if isinstance(value, list | tuple):
            _collect(list(value[:DEPTH]), found, depth - 1)
        elif type(value).__module__.startswith(PACKAGE):
            name = type(value).__name__
            if name.startswith("Random") or name in OTHERS:
                found[id(value)] = name
            inside = [*getattr(value, "transforms", ()), getattr(value, "transform", None)]
            _collect(inside, found, depth - 1)
        elif type(value).__name__ == "StandardTransform":  # of the datasets of torchvision
            _collect(list(vars(value).values()), found, depth - 1)
