"""A parameter is a leaf: nn.Parameter is the last step of its computation."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.modules.no_parameters import (
    networks,
    parameters_of_optimizer,
)
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "an optimizer receives leaf tensors",
    stays_quiet="if no assignment in the program computes a value from an nn.Parameter",
)
def parameter_is_computed(evidence: Evidence) -> Iterator[Finding]:
    """Find `0.1 * nn.Parameter(...)`, whose result is not a parameter."""
    frame = require_failure(evidence, ValueError)
    if "non-leaf" not in evidence.message:
        return
    for network in networks(evidence):
        for source in class_sources(evidence, network):
            for statement in source.statements:
                value = statement.value if isinstance(statement, ast.Assign) else None
                inner = _inner_parameter(value) if value is not None else None
                if value is None or inner is None:
                    continue
                text = shortened(source.text_of(value))
                yield Finding(
                    kind="training/non_leaf_optimized",
                    message=f"`{text}` is computed from a parameter, so it is not a parameter",
                    evidence="optimizers update leaf tensors; compute the initial value first, "
                    "and wrap the result in nn.Parameter",
                    cause=Location(source.path, statement.lineno),
                    symptom=frame_location(frame),
                    subject=text,
                    cases=("training/non_leaf_parameter",),
                    candidates=candidates(*_outermost(frame, source, statement, value, inner)),
                    confidence=10,
                )
                return


def _inner_parameter(value: ast.expr) -> ast.Call | None:
    """Return the call of nn.Parameter inside of an expression that is not that call itself."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and called_name(node) == "Parameter" and node.args:
            return None if node is value else node
    return None


def _outermost(
    frame: UserFrame, source: Source, statement: ast.stmt, value: ast.expr, inner: ast.Call
) -> Iterator[Attempt]:
    """Yield the change that wraps the whole expression, and drops it from the optimizer's list."""
    data = source.text_of(inner.args[0])
    whole, part = source.text_of(value), source.text_of(inner)
    text = f"{source.text_of(inner.func)}({whole.replace(part, data, 1)})"
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    attribute = target.attr if isinstance(target, ast.Attribute) else ""
    changes: list[tuple[ast.expr | ast.stmt, str]] = [(value, text)]
    yield 1, partial(edits.replace, source, changes)
    node = parameters_of_optimizer(frame)
    if isinstance(node, ast.List) and frame.source is source:
        kept = [e for e in node.elts if getattr(e, "attr", "") != attribute]
        single = kept[0] if len(kept) == 1 else None
        rest = source.text_of(single.value) if isinstance(single, ast.Starred) else ""
        rest = rest or f"[{', '.join(map(source.text_of, kept))}]"
        yield 0, partial(edits.replace, source, [*changes, (node, rest)])
