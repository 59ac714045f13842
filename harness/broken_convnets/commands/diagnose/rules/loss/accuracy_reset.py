"""Right answers are counted anew in each epoch."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.accuracy import answers_in_a_batch
from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, right_answers
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.counters import (
        Division,
        Loop,
        RightAnswers,
    )
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "right answers are counted anew in each epoch",
    stays_quiet="unless the count is divided after each loop over batches, and never set again",
)
def accuracy_not_reset(evidence: Evidence) -> Iterator[Finding]:
    """Find a count of right answers that starts before the loop over epochs."""
    for count in right_answers(evidence):
        loop = count.loop if isinstance(count.growth, ast.AugAssign) else None
        division = divided_in_each_epoch(evidence, count, loop) if loop else None
        if loop is None or division is None or not answers_in_a_batch(evidence, count):
            continue
        source = count.source
        start = start_of(count)
        grows = [] if start is None else _names(source, start)
        yield Finding(
            kind="training/metric_not_reset",
            message=f"{count.name} is never set to 0 between epochs, so the accuracy includes "
            "all earlier epochs",
            evidence=f"{source.text_of(count.growth)} in each epoch, "
            f"{source.text_of(division.node)} after each epoch, and one start value before all",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location_in(source, start or count.growth),
            symptom=location_in(source, division.node),
            subject=source.text_of(division.node),
            cases=("loss/accuracy_not_reset",),
            candidates=candidates(*_resets(count, loop, start, grows)),
            confidence=8,
        )


def divided_in_each_epoch(evidence: Evidence, count: RightAnswers, loop: Loop) -> Division | None:
    """Return the division after each loop over batches; None if the count is set anew."""
    epochs = count.source.loops_around(loop)[:1]
    if epochs:
        if _is_assigned_in(count, epochs[0]):
            return None
        return next((d for d in count.divisions if _is_between(count, d, epochs[0])), None)
    if not count.name.startswith("self.") or _epochs_of(evidence, count, loop) < 2:  # noqa: PLR2004  (more than one)
        return None
    if _is_set_outside_constructor(evidence, count):
        return None
    outside = (d for d in count.divisions if not count.source.loops_around(d.node))
    return next(outside, None)


def _epochs_of(evidence: Evidence, count: RightAnswers, loop: Loop) -> int:
    """Return how often the loop over batches began, if it is over a DataLoader."""
    return sum(
        1
        for loader in evidence.record.loaders
        for epoch in loader.epochs
        if epoch.places
        and epoch.places[0].file == count.source.path
        and epoch.places[0].line == loop.lineno
    )


def _is_set_outside_constructor(evidence: Evidence, count: RightAnswers) -> bool:
    """Return whether anything but a constructor assigns the attribute that counts."""
    attribute = count.name.removeprefix("self")  # with the dot
    for source in evidence.user_sources:
        for node in source.nodes:
            if isinstance(node, ast.Assign) and any(
                name.endswith(attribute) for name in _names(source, node)
            ):
                function = source.function_of(node)
                if function is None or function.name != "__init__":
                    return True
    return False


def _is_between(count: RightAnswers, division: Division, epochs: Loop) -> bool:
    """Return whether a division is in the loop over epochs, and not in the one over batches."""
    around = count.source.loops_around(division.node)
    return bool(around) and around[0] is epochs


def _is_assigned_in(count: RightAnswers, loop: Loop) -> bool:
    targets = (
        count.source.text_of(target)
        for node in ast.walk(loop)
        if isinstance(node, ast.Assign)
        for target in node.targets
    )
    return any(count.name in {t, *(p.strip() for p in t.split(","))} for t in targets)


def start_of(count: RightAnswers) -> ast.Assign | None:
    """Return the assignment of the start value in the same function, or of an attribute."""
    attribute = count.name.startswith("self.")
    found = [
        node
        for node in (count.source.nodes if attribute else own_nodes(count.scope))
        if isinstance(node, ast.Assign) and count.name in _names(count.source, node)
    ]
    return found[-1] if found else None


def _names(source: Source, node: ast.Assign) -> list[str]:
    found: list[str] = []
    for target in node.targets:
        items = target.elts if isinstance(target, ast.Tuple) else [target]
        found += [source.text_of(item) for item in items]
    return found


def _resets(
    count: RightAnswers, loop: Loop, start: ast.Assign | None, names: list[str]
) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the change that moves the start value into the loop, with that of the divisor."""
    if start is None:
        return
    source, divisor = count.source, count.divisions[0].divisor
    name = source.text_of(divisor)
    local = not count.name.startswith("self.")
    if local and set(names) <= {count.name, name} and not source.loops_around(start):
        yield 0, partial(edits.move, source, start, loop, after=False)
        return
    grown = isinstance(divisor, ast.Name | ast.Attribute) and any(
        isinstance(n, ast.AugAssign) and source.text_of(n.target) == name for n in ast.walk(loop)
    )
    text = f"{count.name} = {name} = 0" if grown else f"{count.name} = 0"
    yield 0, partial(edits.insert_before, source, loop, text)
