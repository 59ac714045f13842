"""The values of a wrong type that a failing expression worked on: None, a tuple, a method, ..."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose.analysis.origins import Origin, follow, origin_of
from broken_convnets.commands.diagnose.analysis.returns import (
    callee_of,
    computed_by,
    source_of_none,
)
from broken_convnets.commands.diagnose.analysis.user_frames import (
    UNKNOWN,
    UserFrame,
    operands,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

ERRORS = (TypeError, AttributeError, ValueError, RuntimeError, IndexError, KeyError)
OPENING = {"(": "tuple", "[": "list", "{": "dict"}  # of the description of a collection
ELEMENT = re.compile(r"expected Tensor as element (\d+) in argument 0, but got (\w+)")
NONE = "NoneType"
DISPLAYS = (ast.Tuple, ast.List)


@dataclass(frozen=True)
class Culprit:
    """A part of the failing expression, its type, and the expression that computed it.

    `value` is UNKNOWN for the result of a call; its type is then known from the recorded output
    of a layer, or from the syntax of the function. `called` is whether it is what is called.
    """

    frame: UserFrame
    node: ast.expr
    type: str
    value: object
    origin: Origin
    called: bool = False

    @property
    def text(self) -> str:
        """The source text of the expression."""
        return self.frame.source.text_of(self.node)


def find_culprits(evidence: Evidence) -> tuple[Culprit, ...]:
    """Return the parts of the failing expression whose types the exception names."""
    if not isinstance(evidence.error, ERRORS) or not evidence.frames:
        return ()
    frame = evidence.frames[0]
    if frame.call is not None and _last_name(frame.call) == "load_state_dict":
        return ()  # the rules about checkpoints know what it accepts
    found: list[Culprit] = []
    for node, called in _suspects(frame):
        value = frame.value(node)
        if isinstance(value, torch.Tensor | int | float) and not called:
            continue
        kind = _type_of_call(evidence, node, frame) if value is UNKNOWN else type(value).__name__
        if kind and _is_named(evidence.message, kind, value):
            origin = origin_of(evidence, 0, node)
            origin = computed_by(evidence, origin) if origin.starred else origin
            found.append(Culprit(frame, node, kind, value, origin, called))
    return tuple(found) or tuple(_in_a_list(evidence, frame))


def _in_a_list(evidence: Evidence, frame: UserFrame) -> Iterator[Culprit]:
    """Yield the element of a list of tensors that the exception names, as of torch.cat."""
    match = ELEMENT.match(evidence.message)
    first = frame.call.args[0] if match and frame.call and frame.call.args else None
    if match is None or first is None:
        return
    index = int(match[1])
    origin = computed_by(evidence, origin_of(evidence, 0, first))
    elements = origin.node.elts if isinstance(origin.node, DISPLAYS) else []
    if index < len(elements):
        inside = follow(evidence, replace(origin, node=elements[index], before=None))
        read = inside.last_read
        yield Culprit(frame, first, match[2], value_of(read.node, read.scope), inside)


def _suspects(frame: UserFrame) -> list[tuple[ast.expr, bool]]:
    """Return the parts of the failing expression; True for what is called."""
    node = frame.expression
    found = [(part, False) for part in operands(node)]
    for part, _ in list(found):
        if isinstance(part, DISPLAYS):
            found += [(element, False) for element in part.elts]
    if isinstance(node, ast.Call):
        found += [(node.func, True), (node, False)]
    if isinstance(node, DISPLAYS) and isinstance(node.ctx, ast.Store):
        statement = frame.statement
        value = statement.value if isinstance(statement, ast.Assign) else None
        found += [(value, False)] if value is not None else []
    return found


def _type_of_call(evidence: Evidence, node: ast.expr, frame: UserFrame) -> str:
    """Return the type of what a call returned; empty if it is not known."""
    if not isinstance(node, ast.Call):
        return ""
    called = value_of(node.func, frame.scope)
    if isinstance(called, nn.Module):
        text = output_text(evidence, called)
        if text:
            return OPENING.get(text[0]) or (NONE if text == "None" else text.partition("(")[0])
    if isinstance(called, type) and issubclass(called, nn.Module):
        return called.__name__
    callee = callee_of(evidence, node, frame.scope)
    if callee is None:
        return NONE if is_lookup(node) or is_in_place(node, called) else ""
    return NONE if source_of_none(evidence, callee) or lookup_in(callee.returned) else ""


def output_text(evidence: Evidence, module: nn.Module) -> str:
    """Return the description of what a module returned last; empty if it never did."""
    for forward in reversed(list(evidence.record.passes)):
        for call in reversed(forward.calls_of(module)):
            if call.output is not None:
                return call.output
    return ""


def _is_named(message: str, kind: str, value: object) -> bool:
    if kind == "type" and isinstance(value, type):
        return bool(re.search(rf"\b(type|{re.escape(value.__name__)})\b", message))
    if value is UNKNOWN and kind in OPENING.values() and "must be Tensor, not " in message:
        return True  # a named tuple or another subclass, described as what it is
    names = {NONE, "None"} if kind == NONE else {kind, f"{kind}s"}
    return any(re.search(rf"(?<!\w){re.escape(name)}\b", message) for name in names)


LOOKUPS = frozenset({"get", "imread", "getenv", "find_spec", "match", "search", "fullmatch"})
RETURN_NONE = {
    list: {"append", "extend", "insert", "sort", "reverse", "remove", "clear"},
    dict: {"update", "clear"},
    set: {"update", "add", "remove", "discard", "clear"},
    nn.Module: {"zero_grad", "add_module", "register_buffer", "register_parameter"},
    torch.Tensor: {"backward"},
    torch.optim.Optimizer: {"step", "zero_grad", "add_param_group", "load_state_dict"},
}


def is_lookup(node: ast.expr | None) -> bool:
    """Return whether an expression is a call that returns None where it finds nothing."""
    return isinstance(node, ast.Call) and _last_name(node) in LOOKUPS


def lookup_in(returns: list[ast.Return]) -> ast.Call | None:
    """Return the lookup whose result is returned."""
    values = (statement.value for statement in returns)
    return next((v for v in values if isinstance(v, ast.Call) and is_lookup(v)), None)


def is_in_place(node: ast.Call, called: object) -> bool:
    """Return whether a call runs a library's method that changes its object and returns None."""
    owner, name = getattr(called, "__self__", None), _last_name(node)
    if name == "shuffle":
        return getattr(called, "__module__", "") == "random" or "Random" in type(owner).__name__
    if owner is None and called is UNKNOWN:
        return name in RETURN_NONE[list] - {"remove", "clear", "insert"}
    return any(isinstance(owner, kind) and name in names for kind, names in RETURN_NONE.items())


def _last_name(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))
