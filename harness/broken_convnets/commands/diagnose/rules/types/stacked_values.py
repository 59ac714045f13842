"""torch.stack and torch.cat receive tensors, not numbers or arrays."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

ELEMENT = re.compile(r"expected Tensor as element \d+ in argument 0, but got (\w+)")
STACKS = frozenset({"stack", "cat", "concat", "concatenate", "vstack", "hstack"})


@rule(
    "numbers become a tensor with torch.tensor",
    stays_quiet="about lists with other values than numbers",
)
def numbers_are_stacked(evidence: Evidence) -> Iterator[Finding]:
    """Find torch.stack and torch.cat of a list of Python numbers."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    listed = _listed(frame, call) if call else None
    if call is None or listed is None or not ELEMENT.match(evidence.message):
        return
    text = frame.source.text_of(listed)
    new = f"{_torch(frame)}.tensor({text})"
    taken = _taken_out(frame, text)
    attempts = [(0, partial(edits.replace, frame.source, [(call, new)]))]
    attempts += [(1, partial(edits.replace, frame.source, [one])) for one in taken]
    yield Finding(
        kind="none/non_tensor_input",
        message=f"`{shortened(text)}` has Python numbers, and {called_name(call)}() joins tensors",
        evidence=f"`{shortened(new)}` makes one tensor of them",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates(*attempts),
        confidence=11,
    )


def _listed(frame: UserFrame, call: ast.Call) -> ast.expr | None:
    """Return the list of numbers that is joined."""
    if called_name(call) not in STACKS or not call.args:
        return None
    values = frame.value(call.args[0])
    if isinstance(call.args[0], ast.List | ast.Tuple):
        values = [frame.value(one) for one in call.args[0].elts]
    numbers = isinstance(values, list | tuple) and all(
        isinstance(one, int | float) for one in values
    )
    return call.args[0] if numbers and values else None


def _torch(frame: UserFrame) -> str:
    names = (name for name, value in frame.scope.world.items() if value is torch)
    return next(names, "torch")


def _taken_out(frame: UserFrame, text: str) -> list[tuple[ast.expr, str]]:
    """Return the calls that take a number out of a tensor before it is appended, and the tensor."""
    found: list[tuple[ast.expr, str]] = []
    for node in ast.walk(frame.function or frame.source.tree):
        if not isinstance(node, ast.Call) or frame.source.text_of(node.func) != f"{text}.append":
            continue
        item = node.args[0] if node.args else None
        owner = item.func if isinstance(item, ast.Call) else None
        if item is not None and isinstance(owner, ast.Attribute) and owner.attr == "item":
            found.append((item, frame.source.text_of(owner.value)))
    return found if len(found) == 1 else []
