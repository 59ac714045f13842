"""An average of weights over time keeps most of what it was."""

from __future__ import annotations

import ast
import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.bound_values import Bound, bound_values
from broken_convnets.commands.diagnose.rules.training.weight_averages import averages
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.training.weight_averages import Average
    from broken_convnets.observe.recorder.places import Place

FOLLOWED = 8  # names, from a decay to its number
LERP = frozenset({"lerp", "lerp_"})
HALF = 0.5
RARE = 5  # of so many updates, one may follow later: the middle of a long run is not recorded
UPDATES = 3  # of one parameter, at least


@rule(
    "an averaged copy of a network keeps most of its weights at each update",
    stays_quiet="about copies that are not updated after each step of the optimizer, or not with "
    "the same factors each time",
)
def average_follows_at_once(evidence: Evidence) -> Iterator[Finding]:
    """Find `ema = (1 - decay) * ema + decay * weights` with a decay of 0.999."""
    require_success(evidence)
    by_place: dict[tuple[Place, ...], dict[int, list[Average]]] = {}
    for one in averages(evidence):
        of_place = by_place.setdefault(one.operator.places[:1], {})
        of_place.setdefault(one.parameter, []).append(one)
    for places, updates in by_place.items():
        if not all(map(_is_reversed, updates.values())):
            continue
        kept = next(iter(updates.values()))[0].kept
        source = evidence.source(places[0].file)
        node = source.expression_at(places[0]) if source else None
        update = Bound(source, node) if source and node else None
        number = _number(evidence, update, kept) if update else None
        change = candidates((0, partial(_exchanged, update, number))) if update else ()
        yield Finding(
            kind="training",
            message=f"each update keeps {kept:.3g} of the averaged copy and takes "
            f"{1 - kept:.3g} of the trained weights, so the copy averages nothing: exchange them",
            evidence=f"{len(updates)} parameters of the copy are updated after each step of the "
            f"optimizer with {kept:.3g} * copy + {1 - kept:.3g} * trained",
            cause=location_in(number.source, number.node) if number else location(places),
            symptom=location(places),
            subject=places[0].text,
            candidates=change,
            confidence=7,
        )


def _is_reversed(updates: list[Average]) -> bool:
    """Return whether updates with one small factor follow each other step by step."""
    if len(updates) < UPDATES or not 0 < updates[0].kept < HALF:
        return False
    constant = all(math.isclose(u.kept, updates[0].kept, abs_tol=1e-6) for u in updates)
    gaps = [later.steps - one.steps for one, later in pairwise(updates)]
    return constant and len(gaps) - gaps.count(1) <= len(gaps) // RARE


def _factors(update: Bound) -> tuple[list[ast.BinOp], list[ast.expr]]:
    """Return the differences `1 - decay` in the loop or function of an update, and the `decay`s."""
    loops = update.source.loops_around(update.node)
    scope = loops[0] if loops else update.source.function_of(update.node) or update.source.tree
    nodes = list(ast.walk(scope))
    rests = [n for n in nodes if isinstance(n, ast.BinOp) and _is_rest(n)]
    names = {update.source.text_of(one.right) for one in rests}
    inside = {one.right for one in rests}
    plain: list[ast.expr] = [
        n
        for n in nodes
        if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Load)
        if n not in inside and update.source.text_of(n) in names
    ]
    return rests, plain


def _is_rest(node: ast.BinOp) -> bool:
    one = isinstance(node.left, ast.Constant) and node.left.value == 1
    return one and isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Name | ast.Attribute)


def _number(evidence: Evidence, update: Bound, kept: float) -> Bound | None:
    """Return the number that the decay is set to, if that is what the update keeps."""
    rests, plain = _factors(update)
    for node in plain or [one.right for one in rests]:
        waiting = [Bound(update.source, node)]
        while waiting and len(waiting) < FOLLOWED:
            one = waiting.pop(0)
            value = getattr(one.node, "value", None)
            if isinstance(value, float) and math.isclose(value, kept, abs_tol=1e-6):
                return one
            named = isinstance(one.node, ast.Name | ast.Attribute)
            waiting += (bound_values(evidence, one) or []) if named else []
    return None


def _exchanged(update: Bound, number: Bound | None) -> Patch:
    """Exchange `decay` and `1 - decay`, or set the decay to the larger number."""
    if number is not None and isinstance(number.node, ast.Constant):
        text = f"{1 - float(str(number.node.value)):.6g}"
        return edits.replace(number.source, [(number.node, text)])
    call = update.node if isinstance(update.node, ast.Call) else None
    weight = argument(call, "weight", 1) if call and called_name(call) in LERP else None
    if weight is not None:
        rest = f"1 - {update.source.owner_text(weight)}"
        return edits.replace(update.source, [(weight, rest)])
    rests, plain = _factors(update)
    if len(rests) != 1 or len(plain) != 1:
        message = "the factors of the update are not `decay` and `1 - decay`"
        raise EditError(message)
    texts = [update.source.text_of(one) for one in (rests[0], plain[0])]
    inside = isinstance(update.source.parent(plain[0]), ast.BinOp)
    rest = f"({texts[0]})" if inside else texts[0]
    return edits.replace(update.source, [(rests[0], texts[1]), (plain[0], rest)])
