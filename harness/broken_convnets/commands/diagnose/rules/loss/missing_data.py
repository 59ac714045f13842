"""Changes that leave missing values, stored as NaN, out of a loss."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.recorder.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Attempt = tuple[int, Callable[[], Patch]]


def without_missing(evidence: Evidence, use: Operator, missing: Value) -> Iterator[Attempt]:
    """Yield changes for the first use of a tensor with NaN: a mask in a loss, else zeros."""
    site = site_of(evidence, use.places)
    if site is None:
        return
    given, target = argument(site.call, "input", 0), argument(site.call, "target", 1)
    same = len(use.inputs) > 1 and use.inputs[0].shape == use.inputs[1].shape
    if use.name in LOSSES and same and missing is use.inputs[1] and given and target:
        yield 0, partial(_masked, site.source, given, target)
    elif site.call.args and use.inputs and use.inputs[0] is missing:
        first = site.call.args[0]
        text = f"{site.source.text_of(first)}"
        if isinstance(first, ast.Name | ast.Attribute):
            yield 1, partial(edits.replace, site.source, [(first, f"{text}.nan_to_num()")])


def _masked(source: Source, given: ast.expr, target: ast.expr) -> Patch:
    """Return the change that compares only where the target is not NaN."""
    text = source.text_of(target)
    known = f"~{_simple(target, text)}.isnan()"
    return edits.replace(
        source,
        [
            (given, f"{_simple(given, source.text_of(given))}[{known}]"),
            (target, f"{_simple(target, text)}[{known}]"),
        ],
    )


def _simple(node: ast.expr, text: str) -> str:
    plain = isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
    return text if plain else f"({text})"
