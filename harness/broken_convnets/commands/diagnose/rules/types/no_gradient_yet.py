"""A gradient is read after a backward pass that reaches its tensor."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.analysis.culprits import NONE
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "a gradient is read after a backward pass that reaches its tensor",
    stays_quiet="about None that is not the `.grad` of a tensor",
)
def gradient_is_none(evidence: Evidence) -> Iterator[Finding]:
    """Find `.grad` that is None: no backward pass yet, an unused layer, or a frozen parameter."""
    frame = require_failure(evidence, AttributeError, TypeError)
    for one in evidence.culprits:
        node = next((n for n in (one.node, one.origin.node) if _is_grad(n)), None)
        if one.type != NONE or not isinstance(node, ast.Attribute):
            continue
        tensor = frame.value(node.value)
        name, owner, last = _owner(evidence, tensor)
        why, where, attempts = _reason(evidence, frame, tensor, (owner, last))
        text = frame.source.text_of(node)
        yield Finding(
            kind="none/grad_none",
            message=f"`{text}` is None: {why}",
            evidence=f"it is the gradient of {name}" if name else "no gradient was computed for it",
            cause=where or frame_location(frame),
            symptom=frame_location(frame),
            subject=text,
            module=name.rpartition(".")[0],
            cases=("none/grad_none_before_backward",),
            candidates=candidates(*attempts, *_guard(frame, text)),
            confidence=9,
        )
        return


def _is_grad(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "grad"


def _owner(evidence: Evidence, tensor: object) -> tuple[str, nn.Module | None, str]:
    """Return a parameter's name, the network, and the path of its layer."""
    networks = sorted(
        evidence.record.constructed_modules(), key=lambda module: -sum(1 for _ in module.modules())
    )
    for network in networks:
        for name, parameter in network.named_parameters():
            if parameter is tensor:
                return name, network, name.rpartition(".")[0]
    return "", None, ""


def _reason(
    evidence: Evidence,
    frame: UserFrame,
    tensor: object,
    owner: tuple[nn.Module | None, str],
) -> tuple[str, Location | None, list[Attempt]]:
    record = evidence.record
    if isinstance(tensor, torch.Tensor) and not tensor.requires_grad:
        return "the tensor does not require gradients", None, []
    if isinstance(tensor, torch.Tensor) and not tensor.is_leaf:
        return "it is not a leaf; call retain_grad() on it before backward()", None, []
    if not record.backward_passes.count:
        return "no backward pass has run before", None, _after_backward(frame)
    network, path = owner
    if network is not None and path and not _was_called(evidence, network, path):
        where, attempts = _call_it(evidence, network, path)
        return f"{path} is never called, so no gradient reaches it", where, attempts
    return "no backward pass has reached it since it was cleared", None, _after_backward(frame)


def _was_called(evidence: Evidence, network: nn.Module, path: str) -> bool:
    module = network.get_submodule(path)
    return any(called.module() is module for called in evidence.record.called)


def _after_backward(frame: UserFrame) -> list[Attempt]:
    """Return the changes that call backward() before the gradient is read."""
    source = frame.source
    calls = [n for n in source.expressions if isinstance(n, ast.Call)]
    attempts: list[Attempt] = []
    for call in calls:
        statement = source.statement_of(call)
        if called_name(call) != "backward" or statement is None or frame.statement is None:
            continue
        for target in (frame.statement, *_around(source, frame.statement)):
            if target in source.block_of(statement) and target.lineno < statement.lineno:
                move = partial(edits.move, source, statement, target, after=False)
                attempts.append((0, move))
    return attempts


def _around(source: Source, statement: ast.stmt) -> list[ast.stmt]:
    return [node for node in source.ancestors(statement) if isinstance(node, ast.stmt)]


def _call_it(
    evidence: Evidence, network: nn.Module, path: str
) -> tuple[Location | None, list[Attempt]]:
    """Return where forward() calls another layer twice, and the changes that call this one."""
    parent, _, attribute = path.rpartition(".")
    owner = network.get_submodule(parent)
    for source in class_sources(evidence, owner):
        calls = [n for n in source.expressions if isinstance(n, ast.Call)]
        uses: dict[str, list[ast.Call]] = {}
        for call in calls:
            text = source.text_of(call.func)
            other = getattr(owner, text.removeprefix("self."), None)
            if text.startswith("self.") and type(other) is type(getattr(owner, attribute, None)):
                uses.setdefault(text, []).append(call)
        twice = [call for same in uses.values() if len(same) > 1 for call in same[1:]]
        changes = [
            (0, partial(edits.replace, source, [(call.func, f"self.{attribute}")]))
            for call in twice
        ]
        if twice:
            return location_in(source, twice[0]), [*changes]
        definition = source.class_named(type(owner).__name__)
        if definition is not None:
            return _assignment(source, definition, attribute), []
    return None, []


def _assignment(source: Source, definition: ast.ClassDef, attribute: str) -> Location | None:
    for node in ast.walk(definition):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Attribute) and t.attr == attribute for t in node.targets
        ):
            return location_in(source, node)
    return None


def _guard(frame: UserFrame, text: str) -> list[Attempt]:
    statement = frame.statement
    if statement is None or isinstance(statement, ast.Return):
        return []
    return [(3, partial(edits.wrap, frame.source, statement, f"if {text} is not None:"))]
