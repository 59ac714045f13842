"""The dimensions of images and sequences are exchanged by permute, not by reshape."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.traced_forward import TracedOperator

RESHAPES = frozenset({"reshape", "view"})
DIMENSIONS = 3  # of sizes above 1, at least
CHANNELS = frozenset({2, 3, 4})
SEQUENCES = 3  # dimensions of a batch of them: samples, channels, time
STEPS_FIRST = (1, 0, 2)


@rule(
    "dimensions are exchanged by permute or transpose, not by reshape",
    stays_quiet="about reshapes that change the number of dimensions; about images without a "
    "dimension of 2 to 4 channels that moves between the first and the last place; about sequences "
    "that a network has computed",
)
def reshape_exchanges_dimensions(evidence: Evidence) -> Iterator[Finding]:
    """Find a reshape from channels last to channels first, or back, or from samples to steps."""
    for operator in evidence.record.operators:
        order = exchanged(operator) or _classes_first(evidence, operator)
        if order is None or not operator.places:
            continue
        site = site_of(evidence, operator.places)
        before, after = operator.inputs[0].shape, operator.outputs[0].shape
        text = operator.places[0].text
        mixed = "samples and steps" if order == STEPS_FIRST else "pixels and channels"
        yield Finding(
            kind="data/reshape_instead_of_permute",
            message=f"{operator.name} does not exchange dimensions: it mixes {mixed}",
            evidence=f"{text} turns {before} into {after}, the same sizes in another order; it "
            "keeps the order of the values in memory, while permute would move them",
            cause=location(operator.places),
            subject=text,
            cases=("data/reshape_instead_of_permute",),
            candidates=_permuted(site, order) if site else (),
            confidence=8,
        )
        return


def exchanged(operator: Operator | TracedOperator) -> tuple[int, ...] | None:
    """Return the permutation that a reshape of an image should have been; None if it is none."""
    if operator.name not in RESHAPES or not operator.inputs or len(operator.outputs) != 1:
        return None
    before, after = operator.inputs[0].shape, operator.outputs[0].shape
    mine, others = ([size for size in shape if size > 1] for shape in (before, after))
    if len(before) != len(after) or len(mine) < DIMENSIONS or mine == others:
        return None
    if len(before) == SEQUENCES and after == (before[1], before[0], before[2]):
        return STEPS_FIRST
    swapped = len(before) == SEQUENCES and after == (before[0], before[2], before[1])
    if swapped and not operator.inputs[0].requires_grad:
        return 0, 2, 1
    for first, last in ((len(before) - 1, len(before) - 3), (len(before) - 3, len(before) - 1)):
        order = [number for number in range(len(before)) if number != first]
        order.insert(last, first)
        moved = tuple(before[number] for number in order)
        if moved == after and before[first] in CHANNELS:
            return tuple(order)
    return None


def _classes_first(evidence: Evidence, operator: Operator) -> tuple[int, ...] | None:
    """Return the permutation that moves the classes of one_hot to the second dimension."""
    if operator.name not in RESHAPES or not operator.inputs or len(operator.outputs) != 1:
        return None
    maker = evidence.record.producer(operator.inputs[0])
    before, after = operator.inputs[0].shape, operator.outputs[0].shape
    if maker is None or maker.name != "one_hot" or after != (before[0], before[-1], *before[1:-1]):
        return None
    mine, others = ([size for size in shape if size > 1] for shape in (before, after))
    return (0, len(before) - 1, *range(1, len(before) - 1)) if mine != others else None


def _permuted(site: Site, order: tuple[int, ...]) -> tuple[Candidate, ...]:
    """Return the change that calls permute, for `x.reshape(...)` and `torch.reshape(x, ...)`."""
    function, source = site.call.func, site.source
    if not isinstance(function, ast.Attribute) or function.attr not in RESHAPES:
        return ()
    owner = source.text_of(function.value)
    if owner == "torch" and site.call.args:
        owner = source.text_of(site.call.args[0])
    text = f"{owner}.permute({', '.join(map(str, order))})"
    return candidates((0, partial(edits.replace, source, [(site.call, text)])))
