"""An overlap of boxes that the program computes itself: 1 for equal boxes, 0 for distant ones."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.pair_answers import (
    answer,
    number,
    only_computes,
    pair_calls,
)
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.commands.diagnose.user_functions import user_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.pair_calls import PairCall

CORNERS = 4  # numbers of a box
SHARES = 1.5  # boxes up to here are shares of the image
PIXELS = 64.0  # the size of the image for other boxes
NEAR = 0.05
POSITIVE = 0.02
NAMED = re.compile(r"(^|_)(iou|ious|jaccard)($|_)|intersection_over_union")
OTHERS = re.compile(r"giou|diou|ciou|generalized|distance|loss|mean|mask|seg|pixel|class")
# Two boxes of two corners each, in shares of the image, and their overlap.
EQUAL = ((0.2, 0.3, 0.5, 0.7), (0.2, 0.3, 0.5, 0.7), 1.0)
SHIFTED = ((0.2, 0.3, 0.5, 0.7), (0.35, 0.3, 0.65, 0.7), 1 / 3)
INSIDE = ((0.2, 0.2, 0.6, 0.6), (0.3, 0.3, 0.5, 0.5), 0.25)
BESIDE = ((0.1, 0.2, 0.4, 0.5), (0.5, 0.2, 0.8, 0.5), 0.0)
APART = ((0.1, 0.1, 0.4, 0.4), (0.5, 0.5, 0.8, 0.8), 0.0)
PAIRS = (EQUAL, SHIFTED, INSIDE, BESIDE, APART)
WHAT = (
    "equal boxes",
    "a box and itself, moved by half its width",
    "a box and its quarter",
    "boxes side by side that do not touch",
    "boxes on a diagonal that do not touch",
)
# What other wrong formulas return for SHIFTED and INSIDE: the quotient by one of both areas, or
# one pixel that is added to each side of boxes in shares of the image. A function that is right for
# equal boxes, and returns none of these, may have another format of boxes.
FORMULAS = ((0.5, 1.0), (0.5, 0.25), (0.79, 0.735))
FORMATS = ("two corners", "a corner and a size", "a center and a size", "x and x, then y and y")


class Answers(NamedTuple):
    """What a function returns for each of PAIRS, if boxes have one format."""

    form: str
    numbers: tuple[float, ...]

    @property
    def wrong(self) -> list[int]:
        """Which pairs have another overlap than they should have."""
        wanted = [overlap for _, _, overlap in PAIRS]
        return [
            i
            for i, (found, right) in enumerate(zip(self.numbers, wanted, strict=True))
            if not abs(found - right) <= (NEAR if right else POSITIVE)
        ]

    @property
    def is_overlap(self) -> bool:
        """Whether equal boxes have 1, or distant ones 0 and others more, but not above 1."""
        *near, beside, apart = self.numbers
        several = len(set(near)) > 1
        return 0 not in self.wrong or (
            beside == apart == 0 and several and all(0 < n <= 1 for n in near)
        )


@rule(
    "the IoU that the program computes is 1 for equal boxes, 0 for boxes that do not touch",
    stays_quiet="unless a function of two boxes is called so, and wrong in each format of boxes; "
    "about generalized overlaps, which are below 0",
)
def overlap_of_distant_boxes(evidence: Evidence) -> Iterator[Finding]:
    """Find a width and a height that are not clamped at 0, and other overlaps that are wrong."""
    require_success(evidence)
    for source, syntax, ask in _overlaps(evidence):
        numbers = numbers_from_child(partial(_all_answers, ask))
        if not numbers:
            continue
        size = len(PAIRS)
        rows = [tuple(numbers[i : i + size]) for i in range(0, len(numbers), size)]
        answers = [Answers(*pair) for pair in zip(FORMATS, rows, strict=True)]
        sound = [one for one in answers if one.is_overlap]
        if not sound or any(not one.wrong for one in answers):
            continue
        best = min(sound, key=lambda one: (len(one.wrong), FORMATS.index(one.form)))
        found = _problem(best)
        if found is None:
            continue
        yield Finding(
            kind="detection/invalid_boxes",
            message=f"{syntax.name}() returns {best.numbers[found]:.3g} for {WHAT[found]}: their "
            f"IoU is {PAIRS[found][2]:.3g}",
            evidence=_evidence(best),
            cause=location_in(source, _line(syntax, clamped=found < CORNERS)),
            subject=syntax.name,
            confidence=8,
        )


def _problem(best: Answers) -> int | None:
    """Return the pair that shows best what is wrong; None if the overlap may be another kind."""
    last = len(PAIRS) - 1
    if best.wrong == [last] or best.wrong == [last - 1, last]:
        return last if best.numbers[last] > POSITIVE else None
    known = [i for i in best.wrong if i < last - 1]
    if 0 not in known and not _is_formula(best.numbers[1:3]):
        return None
    return known[0] if known and all(-1 <= n <= 2 for n in best.numbers) else None  # noqa: PLR2004  (near overlaps)


def _is_formula(numbers: tuple[float, ...]) -> bool:
    return any(
        all(abs(one - other) <= NEAR for one, other in zip(numbers, known, strict=True))
        for known in FORMULAS
    )


def _evidence(best: Answers) -> str:
    first = f"called again with boxes of {best.form}, it is right for "
    right = [text for i, text in enumerate(WHAT) if i not in best.wrong]
    if best.wrong[0] >= CORNERS - 1:
        return (
            first + ", ".join(right) + "; a width and a height that are both negative have a "
            "positive product: clamp each at 0"
        )
    return first + ", ".join(right)


def _line(syntax: ast.FunctionDef, *, clamped: bool) -> ast.expr | ast.FunctionDef:
    """Return the product of a width and a height that is the intersection, else the quotient."""
    nodes = [node for node in ast.walk(syntax) if isinstance(node, ast.BinOp)]
    quotients = [node for node in nodes if isinstance(node.op, ast.Div)]
    last = max(quotients, key=lambda node: node.lineno, default=None)
    if clamped or last is None:
        return _union(syntax, last) if last else syntax
    lows = [
        n
        for n in ast.walk(syntax)
        if isinstance(n, ast.Call) and called_name(n) in {"min", "minimum"}
    ]
    after = max((n.lineno for n in lows), default=syntax.lineno)
    products = [n for n in nodes if isinstance(n.op, ast.Mult) and n.lineno >= after]
    return min(products, key=lambda n: n.lineno, default=last)


def _union(syntax: ast.FunctionDef, quotient: ast.BinOp) -> ast.expr:
    """Return what the union is assigned, if it has a name; else the quotient."""
    names = {node.id for node in ast.walk(quotient.right) if isinstance(node, ast.Name)}
    values = [
        node.value
        for node in ast.walk(syntax)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in names for target in node.targets)
    ]
    return values[-1] if len(names) == len(values) == 1 else quotient


def _overlaps(
    evidence: Evidence,
) -> Iterator[tuple[Source, ast.FunctionDef, Callable[[Any, Any], Any]]]:
    """Yield the functions that are called an IoU of boxes, each with what calls it again."""
    seen: set[object] = set()
    for call, source, syntax in pair_calls(evidence):
        one, other = call.pair
        are_boxes = one.shape[-1:] == other.shape[-1:] == (CORNERS,) and one.is_floating_point()
        if _is_named(syntax.name):
            seen.add(call.code)
            if are_boxes:
                yield source, syntax, partial(_of_call, call)
    for source, syntax, function in user_functions(evidence):
        if function.__code__ in seen or not _is_named(syntax.name) or not only_computes(syntax):
            continue
        called = any(
            isinstance(n, ast.Call) and called_name(n) == syntax.name for n in source.expressions
        )
        names = [one.arg for one in syntax.args.args]
        if called and len(names) - len(syntax.args.defaults) == 2 and names[0] != "self":  # noqa: PLR2004  (two boxes)
            yield source, syntax, function


def _is_named(name: str) -> bool:
    return bool(NAMED.search(name.lower())) and not OTHERS.search(name.lower())


def _of_call(call: PairCall, one: tuple[float, ...], other: tuple[float, ...]) -> Any:
    """Call a function with one box each, of the shapes and in the scale of the call's boxes."""
    pair = call.pair
    scale = 1.0 if max(float(t.abs().max()) for t in pair) <= SHARES else PIXELS
    boxes = [
        torch.tensor(box, dtype=t.dtype).mul(scale).reshape([1] * (t.dim() - 1) + [CORNERS])
        for box, t in zip((one, other), pair, strict=True)
    ]
    return answer(call, *boxes)


def _all_answers(ask: Callable[[Any, Any], Any]) -> list[float]:
    """Return the answers for each format and each of PAIRS; NaN where the function raises."""
    return [
        round(_one_answer(ask, _as_format(one, form), _as_format(other, form)), 5)
        for form in FORMATS
        for one, other, _ in PAIRS
    ]


def _one_answer(ask: Callable[[Any, Any], Any], one: list[float], other: list[float]) -> float:
    tries: list[tuple[Any, Any]] = [(one, other)]
    if not isinstance(ask, partial):
        longer = [[PIXELS * n for n in box] for box in (one, other)]
        rows = [torch.tensor(box) for box in longer]
        tries = [(longer[0], longer[1]), (rows[0], rows[1]), (rows[0][None], rows[1][None])]
    for pair in tries:
        try:
            found = number(ask(*pair))
        except Exception:  # noqa: BLE001, S112  (it is the user's, and takes another kind of boxes)
            continue
        if found == found:  # noqa: PLR0124  (not NaN)
            return found
    return float("nan")


def _as_format(box: tuple[float, ...], form: str) -> list[float]:
    x1, y1, x2, y2 = box
    if form == FORMATS[1]:
        return [x1, y1, x2 - x1, y2 - y1]
    if form == FORMATS[2]:
        return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    return [x1, x2, y1, y2] if form == FORMATS[3] else list(box)
