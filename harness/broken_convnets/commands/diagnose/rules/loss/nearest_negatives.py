"""The nearest sample of a triplet loss is another sample than the anchor."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import cast
from broken_convnets.commands.diagnose.sites import assigned_name, candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.nearest import Nearest

EQUAL = frozenset({"eq", "__eq__"})


@rule(
    "the nearest sample that a loss uses is another sample than the anchor",
    stays_quiet="about distances between two different sets, minima that no backward pass goes "
    "through, and minima whose diagonal is masked",
)
def nearest_is_the_anchor(evidence: Evidence) -> Iterator[Finding]:
    """Find a minimum over a row of distances that includes the distance to the anchor itself."""
    groups: dict[object, list[Nearest]] = {}
    for one in evidence.record.nearest:
        groups.setdefault(one.operator.place, []).append(one)
    for group in groups.values():
        operator = group[0].operator
        if not all(one.itself for one in group):
            continue
        if not evidence.flow.backward_passes_from(operator.outputs):
            continue
        samples = operator.inputs[0].shape[0]
        yield Finding(
            kind="loss/triplet_mining",
            message="the nearest sample of each anchor is the anchor itself, at distance 0",
            evidence=f"all {samples} minima are 0, the diagonal of the distances; two samples are "
            f"{group[0].mean:.3g} apart on average",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(operator.places),
            subject=operator.places[0].text,
            cases=("loss/hardest_negative_is_the_anchor",),
            candidates=_masked(evidence, group[0]),
            confidence=8,
        )


def _masked(evidence: Evidence, nearest: Nearest) -> tuple[Candidate, ...]:
    """Return the change that masks samples of the anchor's class, or else the anchor itself."""
    site = site_of(evidence, nearest.operator.places)
    distances = _distances(site) if site else None
    if site is None or distances is None:
        return ()
    text = site.source.text_of(distances)
    eye = f"torch.eye(len({text}), dtype=torch.bool, device={text}.device)"
    masks = [*_names_of_equal_labels(evidence, site.source, nearest), eye]
    return candidates(
        *(
            (
                rank,
                partial(
                    edits.replace,
                    site.source,
                    [(distances, cast(text, f'masked_fill({mask}, float("inf"))'))],
                ),
            )
            for rank, mask in enumerate(masks)
        )
    )


def _distances(site: Site) -> ast.expr | None:
    """Return the distances in `distances.amin(1)` or `torch.amin(distances, 1)`."""
    function = site.call.func
    is_torch = isinstance(function, ast.Attribute) and site.receiver == "torch"
    if isinstance(function, ast.Attribute) and not is_torch:
        return function.value
    return site.call.args[0] if site.call.args else None


def _names_of_equal_labels(evidence: Evidence, source: Source, nearest: Nearest) -> Iterator[str]:
    """Yield the names of boolean squares that say which samples have one label."""
    shape = nearest.operator.inputs[0].shape
    for operator in evidence.record.operators:
        square = any(value.shape == shape for value in operator.outputs)
        if operator.name not in EQUAL or not square or operator.number > nearest.operator.number:
            continue
        place = operator.place
        expression = source.expression_at(place) if place and place.file == source.path else None
        statement = source.statement_of(expression) if expression else None
        same = place is not None and place.function == nearest.operator.places[0].function
        name = assigned_name(source, statement) if statement and same else ""
        if name:
            yield name
