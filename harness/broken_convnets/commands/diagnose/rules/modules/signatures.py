"""A network is called with the arguments of its forward, and an optimizer with parameters."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.returns import callee
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.modules.no_parameters import parameters_of_optimizer
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

SELF = 1  # parameter that no caller passes


@rule(
    "a network is called with the arguments of its forward()",
    stays_quiet="about functions with *args or **kwargs, and layers of libraries",
)
def forward_arguments(evidence: Evidence) -> Iterator[Finding]:
    """Find calls of a network with too few or too many arguments."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    network = frame.value(call.func) if call else None
    found = callee(evidence, network) if isinstance(network, nn.Module) else None
    if call is None or found is None or isinstance(network, nn.Sequential):
        return
    arguments = found.function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)][SELF:]
    if arguments.vararg or arguments.kwarg or not found.function.args.args:
        return
    passed = len(call.args) + len(call.keywords)
    needed = len(names) - len(arguments.defaults)
    if needed <= passed <= len(names) or found.function.args.args[0].arg != "self":
        return
    missing = names[passed:needed]
    what = f"without {', '.join(missing)}" if missing else f"with {passed} arguments"
    extra = call.args[: len(names)]
    short = ", ".join(map(frame.source.text_of, extra))
    text = f"{frame.source.text_of(call.func)}({short})"
    yield Finding(
        kind="training/forward_signature",
        message=f"`{shortened(frame.source.text_of(call))}` calls {found.name}() {what}",
        evidence=f"line {found.function.lineno} of its file defines forward(self, "
        f"{', '.join(names)})",
        cause=frame_location(frame),
        subject=found.name,
        candidates=candidates((1, partial(edits.replace, frame.source, [(call, text)])))
        if not missing and not call.keywords
        else (),
        confidence=9,
    )


@rule(
    "an optimizer receives parameters, not the network",
    stays_quiet="about lists and iterators",
)
def network_passed_to_optimizer(evidence: Evidence) -> Iterator[Finding]:
    """Find `SGD(net)`, where the parameters of the network are meant."""
    frame = require_failure(evidence, TypeError)
    node: ast.expr | None = parameters_of_optimizer(frame)
    if node is None or not isinstance(frame.value(node), nn.Module):
        return
    text = frame.source.text_of(node)
    new = f"{text}.parameters()"
    yield Finding(
        kind="training/empty_parameter_list",
        message=f"the optimizer receives the network `{text}` instead of its parameters",
        evidence=f"it iterates over its first argument: use `{new}`",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.replace, frame.source, [(node, new)]))),
        confidence=10,
    )
