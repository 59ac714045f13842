"""An augmentation draws its random numbers for each sample, not once."""

from __future__ import annotations

import ast
import builtins
from functools import partial
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.constructor_draws import Draw, draws_of
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.random_choices import user_transforms
from broken_convnets.commands.diagnose.rules.data.samples import below_subsets
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate

LEAST = 2  # samples


@rule(
    "an augmentation draws its random numbers for each sample",
    stays_quiet="unless the constructor of the only object of its class draws one number that "
    "nothing else sets, and a method flips, moves, turns or colors samples by it; a warning unless "
    "it decides whether to",
)
def augmentation_is_drawn_once(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.flip = random.random() < 0.5` in __init__, and `if self.flip:` in __call__."""
    objects: dict[int, Any] = {}
    samples = 0
    for loader in evidence.record.loaders:
        if loader.data is not None and any(trains(evidence, one) for one in loader.epochs):
            base = below_subsets(loader.data)
            objects |= {id(base): base, **user_transforms(base)}
            samples += max((len(epoch.indices) for epoch in loader.epochs), default=0)
    for one in objects.values():
        alone = sum(type(other) is type(one) for other in objects.values()) == 1
        drawn = _drawn(evidence, one) if alone and samples >= LEAST else []
        if drawn:
            yield _finding(one, drawn, samples)


def _drawn(evidence: Evidence, one: Any) -> list[Draw]:
    """Return the draws of the constructor whose results an object still has, as numbers."""
    found = [
        draw
        for source in class_sources(evidence, one)
        if (owner := source.class_named(type(one).__name__)) is not None
        for draw in draws_of(source, owner, is_dataset=not callable(one))
    ]
    return [draw for draw in found if _is_number(getattr(one, draw.attribute, None))]


def _finding(one: Any, drawn: list[Draw], samples: int) -> Finding:
    name, first = type(one).__name__, drawn[0]
    decided = getattr(one, first.attribute)  # a number may be what the whole data set is to have
    values = [f"self.{draw.attribute} is {getattr(one, draw.attribute)}" for draw in drawn]
    return Finding(
        kind="data",
        message=f"{name} draws its random numbers once, in __init__: all samples of all epochs "
        "are changed in the same way",
        evidence=f"{' and '.join(values)} for all {samples:,} samples; "
        f"{first.source.text_of(first.use)} is in {first.method.name}: draw there",
        severity=Severity.ERROR if type(decided).__name__.startswith("bool") else Severity.WARNING,
        cause=location_in(first.source, first.statement),
        subject=name,
        candidates=_drawn_again(drawn),
        confidence=7,
    )


def _drawn_again(drawn: list[Draw]) -> tuple[Candidate, ...]:
    """Return the change that draws at the begin of the method, if all names are known there."""
    first = drawn[0]
    body = [s for s in first.method.body if not _is_docstring(s)]
    local = {arg.arg for arg in ast.walk(first.constructor.args) if isinstance(arg, ast.arg)}
    names = {n.id for draw in drawn for n in ast.walk(draw.value) if isinstance(n, ast.Name)}
    same = all(draw.method is first.method for draw in drawn)
    if not same or not body or (names - {"self"} - set(dir(builtins))) & local:
        return ()
    lines = [draw.source.text_of(draw.statement) for draw in drawn]
    return candidates((0, partial(edits.insert_before, first.source, body[0], *lines)))


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_number(value: object) -> bool:
    return type(value) in {bool, int, float} or type(value).__module__ == "numpy"
