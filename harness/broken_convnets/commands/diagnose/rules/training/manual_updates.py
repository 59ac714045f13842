"""Updates that a program computes itself use gradients of one step."""

from __future__ import annotations

import ast
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

DETACHED = frozenset({"__get__ data", "detach", "view", "__getitem__"})
CHECKED = 200  # updates that are looked at
REPEATED = 3  # updates with one gradient, and a backward pass between each two


@rule(
    "an update without an optimizer uses no gradients of earlier steps",
    stays_quiet="if the program has an optimizer, and unless one statement that reads `.grad` has "
    "used the same tensor three times, with a backward pass in between, and nothing has changed "
    "that tensor but backward()",
)
def manual_update_of_stale_gradients(evidence: Evidence) -> Iterator[Finding]:
    """Find `w.data -= lr * w.grad` in a loop where nothing sets `w.grad` to zero or None."""
    require_success(evidence)
    if evidence.record.built_optimizers.count:
        return  # its zero_grad() may clear them
    stale = [used for used in _uses(evidence).values() if _is_stale(evidence, used)]
    if not stale:
        return
    first = stale[0][0]
    yield Finding(
        kind="training/missing_zero_grad",
        message="an update uses gradients of earlier steps: nothing clears them",
        evidence=f"{len(stale[0])} updates at line {first.places[0].line} use one tensor as the "
        "gradient, which the backward passes in between add to",
        violates=(Law.GRADIENTS_ARE_FRESH,),
        cause=location(first.places),
        subject=first.places[0].text,
        cases=("training/missing_zero_grad",),
        candidates=candidates((0, partial(_clear, evidence, [used[0] for used in stale]))),
        confidence=9,
    )


def _uses(evidence: Evidence) -> dict[tuple[Value, int], list[Operator]]:
    """Return the updates with a gradient, by that gradient and their line."""
    changes = [o for o in evidence.record.operators if o.changed and o.places and not o.raised]
    updates = [o for o in changes if ".grad" in o.places[0].text][:CHECKED]
    found: dict[tuple[Value, int], list[Operator]] = {}
    for update in updates:
        for value in _gradients(evidence, update):
            found.setdefault((value, update.places[0].line), []).append(update)
    return found


def _gradients(evidence: Evidence, update: Operator) -> Iterator[Value]:
    """Yield the tensors that no operator returned, of the shape that an update changes.

    Not those that an operator has changed in place, as zero_() does, or a view of them.
    """
    shapes, waiting, seen = {v.shape for v in update.changed}, [*update.inputs[1:]], set()
    while waiting:
        value = waiting.pop()
        maker = evidence.record.producer(value)
        if value in seen or (maker is not None and value in maker.changed):
            continue
        seen.add(value)
        waiting += maker.inputs if maker is not None else ()
        known = value.operator is not None or value.parameter or value.requires_grad
        fits = value.shape in shapes and value.dtype.is_floating_point
        if not known and fits and not _is_changed(evidence, value):
            yield value


def _is_changed(evidence: Evidence, value: Value) -> bool:
    """Return whether an operator changes a tensor in place, or a view of it."""
    users = evidence.flow.consumers(value)
    views = [v for o in users if o.name in DETACHED for v in o.outputs]
    users = [*users, *(o for view in views for o in evidence.flow.consumers(view))]
    return any(o.changed and o.inputs[0] in {value, *views} for o in users)


def _is_stale(evidence: Evidence, updates: list[Operator]) -> bool:
    backward = [b for b in evidence.record.backward_passes if b.kind == "backward"]
    numbers = sorted(b.moment.operators for b in backward)
    between = [any(a.number < n < b.number for n in numbers) for a, b in pairwise(updates)]
    return len(updates) >= REPEATED and all(between)


def _clear(evidence: Evidence, updates: list[Operator]) -> edits.Patch:
    """Set the gradients to None after the statements of the updates."""
    source = evidence.source(updates[0].places[0].file)
    lines = sorted(
        {u.places[0].line for u in updates if source and u.places[0].file == source.path}
    )
    if source is None:
        message = "the source of the update is not there"
        raise edits.EditError(message)
    statements = [s for line in lines if (s := source.statement_at(line)) is not None]
    return edits.replace(source, [(s, _cleared(source, s)) for s in statements])


def _cleared(source: Source, statement: ast.stmt) -> str:
    owners = [
        source.text_of(node.value)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and node.attr == "grad"
    ]
    lines = [source.text_of(statement), *(f"{name}.grad = None" for name in dict.fromkeys(owners))]
    return ("\n" + edits.indentation(source, statement)).join(lines)
