"""The token that a network reads out is the one that it added to the patches of an image."""

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
MIXING = frozenset({"cat", "concat", "concatenate"})
PATCHES = frozenset({"conv1d", "conv2d", "conv3d"})  # make the tokens
OTHERS = MIXING | {"embedding", "stack"}  # the first token may be a special one already
WHOLE = frozenset({"mean", "sum", "max", "amax", "flatten", "matmul", "__matmul__"})
SEQUENCE = 3  # dimensions: samples, tokens, features
STEPS = 12
FIRST = "0"
FOLLOWED = 400  # operators after the token was added


@rule(
    "a network reads the token that it added to a sequence",
    stays_quiet="unless one learned token is added after the patches of an image, and only the "
    "first patch is read",
)
def other_token_read(evidence: Evidence) -> Iterator[Finding]:
    """Find `cat([x, cls], 1)` with `x[:, 0]`."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        place = operator.place
        if place is None or place in seen or not _adds_last_token(evidence, operator):
            continue
        seen.add(place)
        reads = _reads(evidence, operator)
        if {token for _, token in reads} != {FIRST}:
            continue
        read = reads[0][0]
        yield Finding(
            kind="module",
            message=f"`{read.places[0].text}` reads the first token, but the learned token is the "
            "last one",
            evidence=f"`{place.text}` adds a parameter to the patches as the last of "
            f"{operator.outputs[0].shape[1]} tokens, and nothing reads it after the encoder",
            cause=location(operator.places),
            symptom=location(read.places),
            subject=operator.places[0].text,
            confidence=6,
        )


def _adds_last_token(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator adds one learned token after patches.

    A token that is added before them may be the start of a sequence whose last token is read.
    """
    if operator.name not in MIXING or len(operator.inputs) != 2 or not operator.outputs:  # noqa: PLR2004  (patches, token)
        return False
    patches, token = operator.inputs
    dim = operator.literals.get(1, operator.literals.get("dim", 0))
    if dim not in {1, -2} or any(len(v.shape) != SEQUENCE for v in operator.inputs):
        return False
    one = token.shape[1] == 1 < patches.shape[1] and _is_parameter(evidence, token)
    return one and _are_patches(evidence, patches)


def _are_patches(evidence: Evidence, patches: Value) -> bool:
    """Return whether convolutions computed a sequence, to which no other token was added."""
    makers = map(evidence.record.producer, evidence.flow.ancestors([patches]))
    names = {one.name for one in makers if one and any(v.requires_grad for v in one.outputs)}
    return not names.isdisjoint(PATCHES) and names.isdisjoint(OTHERS)


def _is_parameter(evidence: Evidence, value: Value) -> bool:
    for _ in range(STEPS):
        if value.parameter:
            return True
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in SPREADING or not operator.inputs:
            return False
        value = operator.inputs[0]
    return False


def _reads(evidence: Evidence, added: Operator) -> list[tuple[Operator, str]]:
    """Return the operators that read tokens of the longer sequence, and the index of each."""
    length = added.outputs[0].shape[1]
    found: list[tuple[Operator, str]] = []
    waiting, known = list(added.outputs), set()
    for _ in range(FOLLOWED):
        value = waiting.pop() if waiting else None
        if value is None or value in known or value.shape[1:2] != (length,):
            continue
        known.add(value)
        for user in evidence.flow.consumers(value):
            index = _index(evidence, user)
            if index:
                found.append((user, index))
            elif any(one.shape[1:2] == (length,) for one in user.outputs):
                waiting += user.outputs
            elif len(value.shape) == SEQUENCE and user.name in WHOLE:
                return []  # it reads all of them
    return found


def _index(evidence: Evidence, operator: Operator) -> str:
    """Return the text of the token index of `x[:, 0]`, or of the slice `x[:, 1:]`."""
    if operator.name != "__getitem__" or not operator.places:
        return ""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    index = node.slice if isinstance(node, ast.Subscript) else None
    if not isinstance(index, ast.Tuple) or len(index.elts) < 2:  # noqa: PLR2004  (sample, token)
        return ""
    return ast.unparse(index.elts[1]) if isinstance(index.elts[0], ast.Slice) else ""
