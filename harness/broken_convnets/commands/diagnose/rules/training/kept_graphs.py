"""Graphs of finished steps are freed."""

from __future__ import annotations

import ast
import math
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SUMS = frozenset({"add", "add_", "__add__", "__iadd__", "__radd__", "lerp", "lerp_"})
BEST = frozenset({"minimum", "maximum", "min", "max"})  # of two losses
# What a moving average does with its former value before it adds the next one.
WEIGHTS = frozenset({"mul", "mul_", "__mul__", "__rmul__", "__imul__", "div", "__truediv__"})
WEIGHTS |= {"sub", "__sub__", "__rsub__", "rsub"}
HOPS = 3  # of these
LINKS = 2  # of a chain of sums, one per step; 1 in a program of two steps
KEPT = 4  # losses, at least
SHARE = 0.8  # of all losses


@rule(
    "sums over several steps do not keep their graphs",
    stays_quiet="about sums that a backward pass depends on, and those that begin anew before each "
    "step of an optimizer",
)
def sum_keeps_graphs(evidence: Evidence) -> Iterator[Finding]:
    """Find totals and moving averages of the loss that keep the graph of every step alive."""
    by_place: dict[Place, list[Operator]] = {}
    for operator in evidence.record.operators:
        known = operator.name in SUMS or _is_best_of_two(operator)
        if known and operator.place and operator.grad_enabled:
            by_place.setdefault(operator.place, []).append(operator)
    for place, operators in by_place.items():
        links = _links(evidence, operators)
        steps = evidence.record.backward_passes.count
        if links < LINKS and not (links and len(operators) == links + 1 == steps):
            continue
        site = _statement(evidence, place)
        yield Finding(
            kind="memory/loss_accumulation",
            message=f"the {'sum' if operators[0].name in SUMS else 'result'} keeps the graph of "
            "every step, so memory grows with the run",
            evidence=f"{links + 1} results in a row require gradients, with backward passes in "
            "between, and no backward pass uses the sum",
            violates=(Law.MEMORY_FLAT,),
            cause=location((place,)),
            subject=place.text,
            cases=("memory/loss_sum_keeps_graph",),
            candidates=_plain_numbers(*site) if site else (),
            confidence=8,
        )


def _is_best_of_two(operator: Operator) -> bool:
    """Return whether a loss is compared with the best one so far."""
    two = operator.name in BEST and len(operator.inputs) > 1
    return two and math.prod(operator.inputs[-1].shape) == 1


def _links(evidence: Evidence, operators: list[Operator]) -> int:
    """Return how often a sum that no backward pass uses continues one of an earlier step.

    A sum over the tasks of one optimizer step is freed with it.
    """
    reaching = evidence.flow.reaching_backward
    unused = [one for one in operators if reaching.isdisjoint(one.outputs)]
    found = [
        (earlier.moment, later.moment)
        for earlier, later in pairwise(unused)
        if later.moment.backward_passes > earlier.moment.backward_passes
        and any(v.requires_grad and _continues(evidence, later, v) for v in earlier.outputs)
        and any(v.requires_grad for v in later.outputs)
    ]
    lasts = any(later.optimizer_steps > earlier.optimizer_steps for earlier, later in found)
    return len(found) if lasts or not evidence.record.optimizer_steps.count else 0


def _continues(evidence: Evidence, later: Operator, value: Value) -> bool:
    """Return whether a sum adds to a value, or to a multiple of it."""
    reached = list(later.inputs)
    for _ in range(HOPS):
        if value in reached:
            return True
        makers = [evidence.record.producer(one) for one in reached if one.shape == value.shape]
        reached = [v for one in makers if one and one.name in WEIGHTS for v in one.inputs]
    return value in reached


def _statement(evidence: Evidence, place: Place) -> tuple[Source, ast.stmt] | None:
    source = evidence.source(place.file)
    statement = source.statement_at(place.line) if source else None
    return (source, statement) if source and statement else None


def _plain_numbers(source: Source, statement: ast.stmt) -> tuple[Candidate, ...]:
    """Return the changes that add a number, or a tensor without its graph."""
    added: ast.expr | None = None
    if isinstance(statement, ast.AugAssign):
        added = statement.value
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        added = statement.value.right
    if added is None:
        return ()
    text = source.text_of(added)
    simple = isinstance(added, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    text = text if simple else f"({text})"
    return candidates(
        (0, lambda: edits.replace(source, [(added, f"{text}.item()")])),
        (1, lambda: edits.replace(source, [(added, f"{text}.detach()")])),
    )


@rule(
    "losses of earlier steps are freed, or kept without their graphs",
    stays_quiet="unless nearly all losses of at least four steps are still alive at the end",
)
def kept_losses(evidence: Evidence) -> Iterator[Finding]:
    """Find lists of losses that keep every graph alive."""
    require_success(evidence)
    counts = evidence.record.kept_graphs
    last = counts.latest or 0
    if last < KEPT or last < SHARE * (min(counts.count, 64) - 1):
        return
    backward = next(iter(evidence.record.backward_passes))
    found = _appended_loss(evidence, backward.places)
    cause = location_in(found[0], found[1]) if found else location(backward.places)
    yield Finding(
        kind="memory/loss_accumulation",
        message="the losses of all steps are kept with their graphs, so memory grows with the run",
        evidence=f"{last} losses of earlier backward passes are still alive at the last one",
        violates=(Law.MEMORY_FLAT,),
        cause=cause,
        subject=backward.places[0].text if backward.places else "",
        cases=("memory/loss_sum_keeps_graph",),
        candidates=_appends_numbers(*found) if found else (),
        confidence=7,
    )


def _appended_loss(evidence: Evidence, places: tuple[Place, ...]) -> tuple[Source, ast.expr] | None:
    """Return the argument of append() that is what backward() is called on."""
    site = site_of(evidence, places)
    if site is None:
        return None
    scope = site.source.function_of(site.call) or site.source.tree
    for node in ast.walk(scope):
        if not isinstance(node, ast.Call) or called_name(node) != "append" or not node.args:
            continue
        if site.source.text_of(node.args[0]) == site.receiver:
            return site.source, node.args[0]
    return None


def _appends_numbers(source: Source, kept: ast.expr) -> tuple[Candidate, ...]:
    text = source.text_of(kept)
    return candidates(
        (0, lambda: edits.replace(source, [(kept, f"{text}.item()")])),
        (1, lambda: edits.replace(source, [(kept, f"{text}.detach()")])),
    )
