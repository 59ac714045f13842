"""An update in a loop over parameters writes to the parameters."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.structure.lost_in_loops import is_read_after
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator

PARAMETERS = re.compile(r"parameters\(|state_dict\(|\[['\"]params['\"]\]")
SAME = TRANSPARENT | {"detach", "__get__ data", "requires_grad_", "__get__ grad"}


class Update(NamedTuple):
    """A statement in a loop over parameters."""

    source: Source
    loop: ast.For
    statement: ast.stmt


@rule(
    "an update in a loop over parameters writes to the parameters",
    stays_quiet="unless a statement of the loop computes a new tensor of the shape of a parameter "
    "from it, and only binds the variable of the loop or nothing at all, and no operator and no "
    "code reads the result",
)
def update_is_discarded(evidence: Evidence) -> Iterator[Finding]:
    """Find `for p in net.parameters(): p = p - lr * p.grad`, and `p.data.clamp(-c, c)`."""
    require_success(evidence)
    if not evidence.record.backward_passes.count:
        return
    updates: dict[tuple[str, int], Update | None] = {}
    for operator in evidence.record.operators:
        key = (operator.places[0].file, operator.places[0].line) if operator.places else ("", 0)
        if key not in updates:
            updates[key] = _update(evidence, *key)
        update = updates[key]
        if update is None or not _is_lost(evidence, operator):
            continue
        if _binds_nothing(update, operator):
            updates[key] = None
            yield _finding(update, operator)


def _update(evidence: Evidence, path: str, line: int) -> Update | None:
    """Return the statement at a line, if it is in a loop over parameters."""
    source = evidence.source(path) if path else None
    statement = source.statement_at(line) if source else None
    loop = source.enclosing(statement, ast.For) if source and statement else None
    if source is None or statement is None or loop is None:
        return None
    if source.enclosing(statement, ast.Try):  # it may only see whether this raises
        return None
    over = PARAMETERS.search(source.text_of(loop.iter))
    return Update(source, loop, statement) if over else None


def _is_lost(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator computes a new tensor like a parameter, and nothing reads it."""
    if operator.changed or operator.raised or operator.layer or len(operator.outputs) != 1:
        return False
    result = operator.outputs[0]
    if operator.name in SAME or result in operator.inputs or evidence.flow.consumers(result):
        return False
    known = evidence.flow.ancestors(operator.inputs[:2])
    gradient = ".grad" in operator.places[0].text and bool(result.shape)
    return gradient or any(one.parameter and one.shape == result.shape for one in known)


def _binds_nothing(update: Update, operator: Operator) -> bool:
    """Return whether a statement only computes, or only binds a variable of the loop."""
    place, (source, loop, statement) = operator.places[0], update
    if isinstance(statement, ast.Expr):
        node = statement.value
        whole = (node.lineno, node.col_offset) == (place.line, place.column)
        return isinstance(node, ast.Call) and whole and node.end_col_offset == place.end_column
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    own = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    if not isinstance(target, ast.Name) or target.id not in own:
        return False
    later = [
        node
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and node.id == target.id and isinstance(node.ctx, ast.Load)
        if (node.lineno, node.col_offset) > (statement.end_lineno, statement.end_col_offset)
    ]
    return not later and not is_read_after(source, loop, target.id)


def _finding(update: Update, operator: Operator) -> Finding:
    source, loop, statement = update
    text = source.text_of(statement)
    bound = isinstance(statement, ast.Assign)
    why = (
        "binds the variable of the loop to a new tensor, and the next turn replaces it"
        if bound
        else "returns a new tensor, which nothing uses"
    )
    return Finding(
        kind="training/not_learning",
        message=f"the parameters are not changed: `{text}` {why}",
        evidence=f"{operator.name} returns a new tensor {operator.outputs[0]}, and the loop over "
        f"`{source.text_of(loop.iter)}` writes to none; change them in place under "
        "torch.no_grad(), as with copy_() or the methods that end with an underscore",
        violates=(Law.EVERY_PARAMETER_LEARNS,),
        cause=location_in(source, statement),
        subject=text,
        candidates=_in_place(source, statement),
        confidence=8,
    )


def _in_place(source: Source, statement: ast.stmt) -> tuple[Candidate, ...]:
    """Return the change of a method to the one that works in place, or of a name to its data."""
    if isinstance(statement, ast.Assign):
        name = source.text_of(statement.targets[0])
        new = f"{name}.data.copy_({source.text_of(statement.value)})"
        return candidates((0, partial(edits.replace, source, [(statement, new)])))
    call = statement.value if isinstance(statement, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    if not isinstance(function, ast.Attribute):
        return ()
    text = f"{source.text_of(function)}_"
    return candidates((0, partial(edits.replace, source, [(function, text)])))
