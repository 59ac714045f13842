"""The token that a network reads out is the one that it added to the sequence."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SPREADING = TRANSPARENT | {"expand", "expand_as", "repeat", "repeat_interleave", "tile"}
MIXING = frozenset({"cat", "concat"})
SEQUENCE = 3  # dimensions: samples, tokens, features
STEPS = 12
FOLLOWED = 400  # operators after the token was added


@rule(
    "a network reads the token that it added to a sequence",
    stays_quiet="unless one learned token is added at one end of the sequence, and only the token "
    "at the other end is read",
)
def other_token_read(evidence: Evidence) -> Iterator[Finding]:
    """Find `cat([x, cls], 1)` with `x[:, 0]`."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        end = _end_with_token(evidence, operator)
        if end is None or not operator.places or operator.places[0] in seen:
            continue
        seen.add(operator.places[0])
        reads = _reads(evidence, operator)
        if len({place for _, place in reads}) != 1 or reads[0][1] == end:
            continue
        read = reads[0][0]
        where = ["the last", "the first"] if end else ["the first", "the last"]
        yield Finding(
            rule="other_token_read",
            kind="module",
            message=f"`{read.places[0].text}` reads {where[1]} token, but the learned token is "
            f"{where[0]} one",
            evidence=f"`{operator.places[0].text}` adds a parameter to the sequence as {where[0]} "
            f"of {operator.outputs[0].shape[1]} tokens, and nothing reads it after the encoder",
            cause=location(operator.places),
            symptom=location(read.places),
            subject=operator.places[0].text,
            confidence=6,
        )


def _end_with_token(evidence: Evidence, operator: Operator) -> int | None:
    """Return 0 or -1 if an operator adds one learned token before or after a sequence."""
    if operator.name not in MIXING or len(operator.inputs) != 2 or not operator.outputs:  # noqa: PLR2004  (token, sequence)
        return None
    shapes = [value.shape for value in operator.inputs]
    dim = operator.literals.get(1, operator.literals.get("dim", 0))
    if dim not in {1, -2} or any(len(shape) != SEQUENCE for shape in shapes):
        return None
    learned = [value.shape[1] == 1 and _is_parameter(evidence, value) for value in operator.inputs]
    if learned == [True, False] and shapes[1][1] > 1:
        return 0
    return -1 if learned == [False, True] and shapes[0][1] > 1 else None


def _is_parameter(evidence: Evidence, value: Value) -> bool:
    for _ in range(STEPS):
        if value.parameter:
            return True
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in SPREADING or not operator.inputs:
            return False
        value = operator.inputs[0]
    return False


def _reads(evidence: Evidence, added: Operator) -> list[tuple[Operator, int]]:
    """Return the operators that read one token of the longer sequence: the first or the last."""
    length, found = added.outputs[0].shape[1], []
    waiting, known = list(added.outputs), set[object]()
    for _ in range(FOLLOWED):
        value = waiting.pop() if waiting else None
        if value is None or value in known:
            continue
        known.add(value)
        for user in evidence.flow.consumers(value):
            end = _token(evidence, user) if value.shape[1:2] == (length,) else None
            if end is not None:
                found.append((user, end))
            elif user.outputs and any(one.shape[1:2] == (length,) for one in user.outputs):
                waiting += user.outputs
            elif len(value.shape) == SEQUENCE and user.name in {"mean", "max", "amax", "flatten"}:
                return []  # it reads all of them
    return found


def _token(evidence: Evidence, operator: Operator) -> int | None:
    """Return the constant index of the token that an operator reads; None for other reads."""
    if operator.name != "__getitem__" or not operator.places:
        return None
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    index = node.slice if isinstance(node, ast.Subscript) else None
    if not isinstance(index, ast.Tuple) or len(index.elts) < 2:  # noqa: PLR2004  (sample, token)
        return None
    if not isinstance(index.elts[0], ast.Slice):
        return None
    text = ast.unparse(index.elts[1])
    return {"0": 0, "-1": -1}.get(text)
