"""A network is built with the numbers of the state that it loads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.loads import Load, failed_load
from broken_convnets.commands.diagnose.analysis.rebuilding import layer_rebuilt, rebuilt
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location

Attempt = tuple[int, "Callable[[], Patch]"]
SHOWN = 3  # keys
LATER = 10  # ranks
# Classes of ImageNet, COCO, Pascal VOC and Places, with and without a background: weights for
# them are loaded to be trained further, for other classes.
PRETRAINED = frozenset({1000, 1001, 21841, 80, 90, 91, 20, 21, 365})


@rule(
    "loaded tensors have the shapes of the network's own",
    stays_quiet="if keys are missing or unexpected",
)
def other_shapes(evidence: Evidence) -> Iterator[Finding]:
    """Find networks and heads with other numbers than those of the checkpoint."""
    require_failure(evidence, RuntimeError)
    load = failed_load(evidence)
    if load is None or set(load.state) != set(load.own):
        return
    wrong = [key for key in load.own if _shape(load.state[key]) != tuple(load.own[key].shape)]
    if not wrong:
        return
    key = wrong[0]
    heads = sorted({name.rpartition(".")[0] for name in wrong})
    yield Finding(
        kind="state/state_dict_size_mismatch",
        message=f"{key} is {list(_shape(load.state[key]))} in the state_dict and "
        f"{list(load.own[key].shape)} in the network",
        evidence=f"{len(wrong)} of {len(load.own)} tensors differ, those of "
        f"{', '.join(heads[:SHOWN])}",
        cause=_where_built(evidence, load, wrong) or frame_location(load.frame),
        symptom=frame_location(load.frame),
        subject=key,
        module=heads[0],
        cases=("state/state_dict_head_size_mismatch",),
        candidates=candidates(*_attempts(evidence, load, wrong, heads)),
        confidence=10,
    )


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _numbers(load: Load, wrong: list[str]) -> tuple[int, int] | None:
    """Return the number of the network and that of the state, if one pair explains all shapes."""
    pairs = {
        pair
        for key in wrong
        for pair in zip(load.own[key].shape, _shape(load.state[key]), strict=False)
        if pair[0] != pair[1]
    }
    return next(iter(pairs)) if len(pairs) == 1 else None


def _is_for_other_classes(evidence: Evidence, load: Load, numbers: tuple[int, int]) -> bool:
    """Return whether the network was made for other classes than the state on purpose.

    It was not if the function that loads the state constructs the network for that.
    """
    built = evidence.record.construction(load.module)
    own = (load.frame.place.file, load.frame.place.function)
    made_here = built and any((place.file, place.function) == own for place in built.places)
    return numbers[1] in PRETRAINED or not made_here


def _where_built(evidence: Evidence, load: Load, wrong: list[str]) -> Location | None:
    """Return where the network is constructed with a number that the state does not have."""
    numbers = _numbers(load, wrong)
    built = evidence.record.construction(load.module)
    if numbers is None or built is None or _is_for_other_classes(evidence, load, numbers):
        return None
    return location(built.places) if numbers[0] in built.arguments.values() else None


def _attempts(
    evidence: Evidence, load: Load, wrong: list[str], heads: list[str]
) -> Iterator[Attempt]:
    """Yield the constructor with the saved number, and the load without the layers that differ.

    Layers for the classes of a well-known data set are replaced on purpose, as a rule.
    """
    numbers = _numbers(load, wrong)
    other = numbers is not None and _is_for_other_classes(evidence, load, numbers)
    yield (0 if other or numbers is None else LATER), partial(_without, load, heads)
    if numbers is None:
        return
    first = LATER if other else 0
    for rank, change in rebuilt(evidence, load, *numbers):
        yield first + rank, change
    for rank, change in layer_rebuilt(evidence, load, wrong[0], *numbers):
        yield first + 3 + rank, change


def _without(load: Load, heads: list[str]) -> Patch:
    """Load everything but the layers that differ."""
    prefixes = ", ".join(f'"{head}."' for head in heads)
    test = f"key.startswith(({prefixes}))" if len(heads) > 1 else f"key.startswith({prefixes})"
    text = f"{{key: value for key, value in {load.text}.items() if not {test}}}"
    owner = f"{load.network}.load_state_dict({text}, strict=False)"
    return edits.replace(load.frame.source, [(load.call, owner)])
