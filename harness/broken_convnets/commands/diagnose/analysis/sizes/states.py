"""Where the user creates a hidden state for a fixed number of samples."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    expression_of,
    operator_call,
)
from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain
from broken_convnets.commands.diagnose.edits import replace, set_argument
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.sites import site_of

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.values import Value


@dataclass(frozen=True)
class StateChanges:
    """The changes of a state's size, and the line that creates it."""

    changes: list[Change]
    cause: Location | None


def sized_state_changes(
    evidence: Evidence, failed: FailedCall, axis: int, size: int
) -> StateChanges:
    """Return the changes of one dimension of a state where the user creates it."""
    changes: list[Change] = []
    cause: Location | None = None
    for state in failed.received[1:]:
        for operator in chain(evidence.record, state):
            call = operator_call(evidence, operator)
            items = _sizes(call[1]) if call else []
            if call and len(items) > axis:
                cause = cause or Location(call[0].path, call[1].lineno)
                changes.append(partial(replace, call[0], [(items[axis], str(size))]))
                break
    return StateChanges(changes, cause)


def _sizes(call: ast.Call) -> list[ast.expr]:
    """Return the sizes of `torch.zeros(1, 2, 3)` or `torch.zeros((1, 2, 3))`."""
    if call.args and isinstance(call.args[0], ast.Tuple):
        return call.args[0].elts
    return call.args


def state_changes(
    evidence: Evidence, failed: FailedCall, value: Value, samples: int
) -> StateChanges:
    """Return the changes that let a state follow the batch, or that drop a smaller last batch."""
    changes: list[Change] = []
    cause: Location | None = None
    batch_first = getattr(failed.layer, "batch_first", False)
    found = expression_of(evidence, failed, value)
    size = f"{found[0].text_of(found[1])}.size({0 if batch_first else 1})" if found else ""
    for state in failed.received[1:]:
        made = evidence.record.producer(state)
        call = operator_call(evidence, made) if made else None
        if call is None:
            continue
        source, node = call
        cause = cause or Location(source.path, node.lineno)
        items = _sizes(node)
        if found and source is found[0] and len(items) > 1 and state.shape[1] == samples:
            changes.append(partial(replace, source, [(items[1], size)]))
    for one in reversed(list(evidence.record.constructions)):
        site = site_of(evidence, one.places) if one.kind == "loader" else None
        if site is not None:
            changes.append(partial(set_argument, site.source, site.call, "drop_last", None, "True"))
            break
    return StateChanges(changes, cause)
