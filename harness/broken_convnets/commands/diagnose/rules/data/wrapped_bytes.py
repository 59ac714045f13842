"""Numbers that become 8-bit pixels are from 0 to 255.

Others wrap around, or depend on the processor: a bright pixel becomes a dark one.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.array_ranges import (
    converted,
    ends_of,
    is_image,
)
from broken_convnets.commands.diagnose.sites import location, location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

TOP = 256


@rule(
    "numbers that become 8-bit pixels are from 0 to 255",
    stays_quiet="about few numbers, labels, which are integers, and arrays that are changed in "
    "between in another way than by numbers that are written out",
)
def pixels_wrap_around(evidence: Evidence) -> Iterator[Finding]:
    """Find outputs of networks that are cast to uint8 without a clamp."""
    require_success(evidence)
    seen: set[Location] = set()
    for place, low, high, text in (*_casts(evidence), *_arrays(evidence)):
        if place in seen:
            continue
        seen.add(place)
        yield Finding(
            kind="data/normalize_range",
            message=f"`{text}` casts numbers outside of 0 to 255 to 8-bit pixels: they wrap around",
            evidence=f"the numbers are from {low:.4g} to {high:.4g}; clamp them first",
            cause=place,
            subject=text,
            confidence=6,
        )


def _casts(evidence: Evidence) -> Iterator[tuple[Location, float, float, str]]:
    """Yield casts of tensors."""
    for operator in evidence.record.operators:
        contents = evidence.record.read_inputs.get(operator.number)
        place = location(operator.places)
        if contents is None or place is None or operator.name == "numpy" or not operator.outputs:
            continue
        if operator.outputs[0].dtype is not torch.uint8 or not is_image(contents):
            continue
        low, high = contents.minimum, contents.maximum
        if _wraps(low, high) and evidence.flow.depends_on_network(operator.inputs[0]):
            yield place, low, high, operator.places[0].text


def _wraps(low: float, high: float) -> bool:
    return low <= -1 or high >= TOP


def _arrays(evidence: Evidence) -> Iterator[tuple[Location, float, float, str]]:
    """Yield casts of arrays that a tensor was converted to in the same function."""
    for source, known, made in converted(evidence):
        outputs = {node: ends for node, ends in known.items() if node in made}
        for cast in source.expressions:
            array = _cast_array(cast)
            found = ends_of(source, array, outputs) if array else None
            if found and _wraps(*found):
                yield location_in(source, cast), *found, source.text_of(cast)


def _cast_array(node: ast.expr) -> ast.expr | None:
    """Return what `array.astype(np.uint8)` casts; None for anything else."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    is_cast = node.func.attr == "astype" and len(node.args) == 1
    return node.func.value if is_cast and "uint8" in ast.unparse(node.args[0]) else None
