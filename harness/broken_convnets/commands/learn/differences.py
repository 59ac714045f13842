"""Compare what a program's run uses with what the run of the reference fix uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.allowances import count
from broken_convnets.commands.learn.checks import (
    CHANNELS,
    DEPENDENCIES,
    DISTINCT_VALUES,
    OUTPUT_GRADIENTS,
    PATHS,
    REQUIRED_LAYERS,
)
from broken_convnets.commands.learn.grading_result import Violation, violates
from broken_convnets.commands.learn.layer_differences import detached, lost_paths, mixed_channels
from broken_convnets.commands.learn.run_calls import names_in

if TYPE_CHECKING:
    from broken_convnets.commands.learn.facts import LearnerFacts
    from broken_convnets.corpus.entries import Case

# Of n random numbers in float32, about n**2 / 2**25 are equal to another one by chance.
PAIRS = 1 << 20  # of different values, one of which may be equal by chance
LISTED = 3  # names in one sentence


def differences(case: Case, seen: LearnerFacts, reference: LearnerFacts) -> list[Violation]:
    """Return what the program's run does not use, or uses and should not."""
    return [
        *_missing_layers(case, seen, reference),
        *_changed_dependencies(seen, reference),
        *_layer_differences(seen, reference),
        *(violates(DISTINCT_VALUES, text) for text in _merged(seen, reference)),
    ]


def _missing_layers(case: Case, seen: LearnerFacts, reference: LearnerFacts) -> list[Violation]:
    return [
        violates(
            REQUIRED_LAYERS,
            f"the run calls {seen.layers.get(kind, 0)} {kind}; the fix calls {calls}",
        )
        for kind, calls in reference.layers.items()
        if count(seen, kind) < count(reference, kind)
        and seen.layers.get(kind, 0) < calls
        and _is_unchanged(case, kind)
    ]


def _is_unchanged(case: Case, kind: str) -> bool:
    """Return whether the fix has as many layers of this kind as the case."""
    return names_in(case.broken).count(kind) == names_in(case.fixed).count(kind)


def _changed_dependencies(seen: LearnerFacts, reference: LearnerFacts) -> list[Violation]:
    theirs, ours = set(seen.parameters), set(reference.parameters)
    missing = [
        name
        for name in reference.depends_on
        if name not in seen.depends_slightly and (name in theirs or name not in ours)
    ]
    extra = [
        name
        for name in seen.depends_on
        if name not in reference.depends_on and name in theirs & ours
    ]
    notes = [f"the result does not depend on {list_some(missing)}"] if missing else []
    if extra:
        notes.append(f"the result depends on {list_some(extra)}, which it should not")
    return [violates(DEPENDENCIES, note) for note in notes]


def _layer_differences(seen: LearnerFacts, reference: LearnerFacts) -> list[Violation]:
    if seen.by_layer is None or reference.by_layer is None:
        return []
    both = seen.by_layer, reference.by_layer
    names = {name.rpartition(".")[0] for name in {*seen.parameters} & {*reference.parameters}}
    found = (
        (PATHS, "the path around {} was removed", lost_paths(*both, names)),
        (CHANNELS, "the output treats channels of {} alike", mixed_channels(*both, names)),
        (
            OUTPUT_GRADIENTS,
            "finite differences differ from the gradients of {}, as after a detach",
            detached(*both, names),
        ),
    )
    return [
        violates(check, note.format(list_some(layers))) for check, note, layers in found if layers
    ]


def list_some(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    few = ", ".join(names[:LISTED])
    return few + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _merged(seen: LearnerFacts, reference: LearnerFacts) -> list[str]:
    """Say where values are equal that differ in the reference's data, but for a few by chance.

    Of thousands of random numbers in float32, drawn anew in each run, some are often equal.
    """
    found = []
    for name, ours in reference.equal_values.items():
        theirs = seen.equal_values.get(name)
        if theirs is None or len(theirs) != len(ours):
            continue
        lost = len(set(zip(theirs, ours, strict=True))) - len(set(theirs))
        if lost > len(set(ours)) ** 2 / PAIRS:
            found.append(f"{name}: {len(set(theirs))} distinct values instead of {len(set(ours))}")
    return found
