"""Candidate changes of a constructor's argument: the ways to write the number that is needed."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor, spots
from broken_convnets.commands.diagnose.analysis.sizes.arithmetic import evaluate, rewritten
from broken_convnets.commands.diagnose.analysis.sizes.layers import output_argument, position
from broken_convnets.commands.diagnose.analysis.sizes.solving import solved_changes
from broken_convnets.commands.diagnose.edits import EditError, replace, set_argument
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.analysis.sizes.arguments import Spot
    from broken_convnets.commands.diagnose.analysis.sizes.lineage import Origin
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Construction

    Change = Callable[[], Patch]

PAIR = 2


@dataclass(frozen=True)
class Wanted:
    """The number that an argument needs.

    `now` is its present number. `factors` are what its product is, if a flattened shape is
    needed. `like` is what makes the size: its own expression is the best text where it is in the
    same function.
    """

    number: int
    now: int | None = None
    factors: tuple[int, ...] = ()
    like: Origin | None = None


def argument_changes(
    evidence: Evidence,
    construction: Construction | None,
    module: nn.Module,
    name: str,
    wanted: Wanted,
) -> list[Change]:
    """Return the changes that set an argument of a layer's constructor, the best first."""
    found = spots(evidence, construction, module, name)
    if not found:
        return _missing(evidence, construction, module, name, wanted)
    shallow, deep = found[0], found[-1]
    changes: list[Change] = []
    same = like_text(evidence, construction, wanted.like)
    in_scope = bool(same) and shallow.source.function_of(shallow.node) is _function(deep)
    if len(found) > 1 and _is_passed_on(found) and not in_scope:
        changes += _written(deep, wanted)
    if same and same != shallow.source.text_of(shallow.node):
        changes.append(partial(replace, shallow.source, [(shallow.node, same)]))
    solved = _solved(evidence, construction, shallow, wanted)
    changes = [*(change for first, change in solved if first), *changes]
    changes += _written(shallow, wanted)
    changes += [change for first, change in solved if not first]
    changes += _alike(evidence, construction, module, name, wanted)
    if len(found) > 1:
        changes += _written(deep, wanted)
    return changes


def _alike(
    evidence: Evidence,
    construction: Construction | None,
    module: nn.Module,
    name: str,
    wanted: Wanted,
) -> list[Change]:
    """Return the change of all layers of this kind that have the same number, as two heads have."""
    site = constructor(evidence, construction)
    function = site.source.function_of(site.call) if site else None
    if site is None or function is None:
        return []
    place, source = position(module, name), site.source
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
    nodes = [argument(n, name, place) for n in calls if source.text_of(n.func) == site.called]
    own = argument(site.call, name, place)
    alike = [n for n in nodes if n and own and source.text_of(n) == source.text_of(own)]
    if len(alike) < PAIR or own is None:
        return []
    text = next(texts_for(spots(evidence, construction, module, name)[0], wanted))
    return [partial(replace, source, [(node, text) for node in alike])]


def _solved(
    evidence: Evidence, construction: Construction | None, spot: Spot, wanted: Wanted
) -> list[tuple[bool, Change]]:
    """Return the changes of numbers behind the names of an expression."""
    latest = evidence.record.last_pass
    if construction is None or latest is None or not isinstance(spot.node, ast.BinOp):
        return []
    shapes = latest.received[0].shape[2:] if latest.received else ()
    return list(solved_changes(evidence, construction, spot, wanted.number, shapes))


def _function(spot: Spot) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    return spot.source.function_of(spot.node)


def _is_passed_on(found: Sequence[Spot]) -> bool:
    """Return whether a number is written elsewhere, and read for this argument alone."""
    first, last = found[0], found[-1]
    function = first.source.function_of(first.node)
    if function is None or evaluate(last.node, {}) is None:
        return False
    if isinstance(first.node, ast.Attribute | ast.Subscript):
        text = first.source.text_of(first.node)
        return [first.source.text_of(n) for n in first.source.expressions].count(text) == 1
    if isinstance(last.source.parent(last.node), ast.List | ast.Tuple):
        return True  # an item of a list of widths
    inside = last.source.function_of(last.node) is function
    if not isinstance(first.node, ast.Name) or (inside and not _is_default(function, last.node)):
        return False
    uses = [
        n
        for n in ast.walk(function)
        if isinstance(n, ast.Name) and n.id == first.node.id and isinstance(n.ctx, ast.Load)
    ]
    return len(uses) == 1


def _is_default(function: ast.FunctionDef | ast.AsyncFunctionDef, node: ast.expr) -> bool:
    defaults = (*function.args.defaults, *function.args.kw_defaults)
    return any(default is node for default in defaults)


def _missing(
    evidence: Evidence,
    construction: Construction | None,
    module: nn.Module,
    name: str,
    wanted: Wanted,
) -> list[Change]:
    """Return the change that adds an argument which is left at its default."""
    site = constructor(evidence, construction)
    place = position(module, name)
    if site is None or place is None or place < len(site.call.args):
        return []
    text = str(wanted.number)
    return [lambda: set_argument(site.source, site.call, name, place, text)]


def like_text(evidence: Evidence, construction: Construction | None, like: Origin | None) -> str:
    """Return the expression for a size in the constructors that make it, if it is in scope."""
    if construction is None or like is None:
        return ""
    if like.parts:
        texts = [like_text(evidence, construction, part) for part in like.parts]
        return _sum(texts) if all(texts) else ""
    made, own = constructor(evidence, like.construction), constructor(evidence, construction)
    if like.layer is None or made is None or own is None or like.construction is None:
        return ""
    in_scope = like.construction.places[1:] == construction.places[1:]
    if not in_scope or made.source.function_of(made.call) is not own.source.function_of(own.call):
        return ""
    return _output_text(made, like.layer)


def _sum(texts: Sequence[str]) -> str:
    if all(text.isdecimal() for text in texts):
        return str(sum(map(int, texts)))
    return " + ".join(texts)


def _output_text(site: Site, layer: nn.Module) -> str:
    name = output_argument(layer)
    node = argument(site.call, name, position(layer, name))
    text = site.source.text_of(node) if node is not None else ""
    return f"{text} * 2" if text and getattr(layer, "bidirectional", False) else text


def _written(spot: Spot, wanted: Wanted) -> list[Change]:
    """Return the changes of one expression, the form that resembles it most first."""
    source, node = spot.source, spot.node
    texts = dict.fromkeys(texts_for(spot, wanted))
    return [partial(replace, source, [(node, text)]) for text in texts]


def texts_for(spot: Spot, wanted: Wanted) -> Iterator[str]:
    """Yield texts for the wanted number in place of the expression at a spot."""
    node, number = spot.node, wanted.number
    if len(wanted.factors) > 1 and evaluate(node, {}) is not None:
        yield " * ".join(map(str, wanted.factors))
    if not isinstance(node, ast.Constant):
        if evaluate(node, spot.scope) is not None:
            yield from rewritten(node, spot.scope, number, keep=(*wanted.factors, 0)[0])
        elif wanted.now:
            yield from _scaled(spot.source.text_of(node), wanted.now, number)
    if len(wanted.factors) > 1:
        yield " * ".join(map(str, wanted.factors))
    yield str(number)


def _scaled(text: str, now: int, number: int) -> Iterator[str]:
    """Yield `width * 2` or `width // 2` for a name whose number is known by its use alone."""
    if number % now == 0:
        yield f"{text} * {number // now}"
    elif now % number == 0:
        yield f"{text} // {now // number}"


def product_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of one sample, without the batch, whose product is its flattened size."""
    sizes = tuple(shape[1:]) if math.prod(shape[1:]) else ()
    return sizes[:1] if math.prod(sizes[1:]) == 1 else sizes


def merged(evidence: Evidence, one: Change, other: Change) -> Patch:
    """Return two changes of different lines as one patch."""
    first, second = one(), other()
    merged = {**second, **first}
    for path in first.keys() & second.keys():
        source = evidence.source(path)
        old = source.text.split("\n") if source else []
        texts = [old, first[path].split("\n"), second[path].split("\n")]
        if len({len(text) for text in texts}) > 1:
            message = "two changes of one file add lines"
            raise EditError(message)
        lines = zip(*texts, strict=True)
        merged[path] = "\n".join(a if a != o else b for o, a, b in lines)
    return merged
