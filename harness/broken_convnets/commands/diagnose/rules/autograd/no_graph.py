"""A loss has a graph that leads to parameters that require gradients."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.dataflow import is_cut
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.autograd.unfreeze import freezing_statements, unfrozen
from broken_convnets.commands.diagnose.sites import candidates, location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
NO_GRADIENT = frozenset(
    {
        "argmax",
        "argmin",
        "argsort",
        "eq",
        "__eq__",
        "ne",
        "gt",
        "__gt__",
        "lt",
        "__lt__",
        "ge",
        "le",
    }
    | {"__ge__", "__le__", "long", "int", "bool", "one_hot", "bincount", "multinomial", "isclose"}
)
NO_GRAD = ("no_grad", "inference_mode", "set_grad_enabled")


@rule(
    "the loss has a graph that leads to parameters",
    stays_quiet="unless backward() fails because there is none",
)
def loss_without_graph(evidence: Evidence) -> Iterator[Finding]:
    """Find where the graph of a loss is cut, or why nothing requires gradients."""
    frame = require_failure(evidence, RuntimeError)
    failed = evidence.record.backward_passes.latest
    if "does not require grad" not in evidence.message or failed is None or not failed.raised:
        return
    cut = nearest_cut(evidence, failed.roots)
    if (cut is None or not cut.inputs) and _is_frozen(evidence):
        yield from _frozen(evidence)
        return
    if cut is None:
        return
    what, kind, attempts = _explained(evidence, cut)
    off = next(iter(_disabled_by(evidence, cut)), None) if not cut.grad_enabled else None
    yield Finding(
        kind=kind,
        message=f"the loss has no graph: {what}",
        evidence=f"the input of {cut.name} requires gradients, its result does not"
        if cut.inputs
        else "a new tensor has no graph, whatever its numbers come from",
        cause=Location(off[0].path, off[1].lineno) if off else location(cut.places),
        symptom=frame_location(frame),
        subject=cut.places[0].text if cut.places else "",
        cases=("training/loss_on_argmax",),
        candidates=candidates(*attempts),
        confidence=10,
    )


def nearest_cut(evidence: Evidence, roots: tuple[Value, ...]) -> Operator | None:
    """Return the last operator on the way to a loss where the graph ends."""
    parameters = evidence.record.parameters
    frozen = {v for p in parameters if not p.requires_grad for v in p.values}
    waiting, seen = list(roots), set(roots)
    new: Operator | None = None
    while waiting:
        value = waiting.pop(0)
        producer = evidence.record.producer(value)
        if producer is None:
            continue
        graph = any(v.requires_grad and v not in frozen for v in producer.inputs)
        if not any(v.requires_grad for v in producer.outputs) and graph:
            return producer
        if not producer.inputs and producer.name in {"tensor", "as_tensor", "from_numpy"}:
            new = new or producer
        waiting += [v for v in producer.inputs if v not in seen]
        seen.update(producer.inputs)
    return new


def _explained(evidence: Evidence, cut: Operator) -> tuple[str, str, list[Attempt]]:
    """Return what cuts the graph, the kind, and the changes."""
    source = evidence.source(cut.places[0].file) if cut.places else None
    node = source.expression_at(cut.places[0]) if source else None
    text = cut.places[0].text if cut.places else cut.name
    if not cut.grad_enabled:
        attempts = list(_with_autograd(evidence, cut))
        return f"`{text}` runs without autograd", "training/loss_no_grad", attempts
    if not cut.inputs:
        return f"`{text}` makes a new tensor", "training/graph_detached", []
    without = list(_without_call(source, node)) if source and node else []
    if source and node and cut.name == "argmax":
        without += _with_scores(source, node)
    if cut.name in NO_GRADIENT or not is_cut(cut):
        return f"{cut.name} has no gradient, at `{text}`", "training/loss_no_grad", without
    return f"`{text}` detaches it", "training/graph_detached", without


def _without_call(source: Source, node: ast.expr) -> Iterator[Attempt]:
    """Yield the change of `x.detach()` or `x.argmax(1)` to `x`."""
    for one in (node, *source.ancestors(node)):
        function = one.func if isinstance(one, ast.Call) else None
        if isinstance(one, ast.expr) and isinstance(function, ast.Attribute):
            text = source.text_of(function.value)
            if text not in {"torch", "F", "np"}:
                yield 0, partial(edits.replace, source, [(one, text)])
        if isinstance(one, ast.stmt):
            return


def _with_scores(source: Source, node: ast.expr) -> Iterator[Attempt]:
    """Yield the change of `mse_loss(scores.argmax(1).float(), labels.float())` to cross-entropy."""
    statement = source.statement_of(node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    function = node.func if isinstance(node, ast.Call) else None
    if not isinstance(target, ast.Name) or not isinstance(function, ast.Attribute):
        return
    scores = source.text_of(function.value)
    for call in ast.walk(source.function_of(node) or source.tree):
        if not isinstance(call, ast.Call) or len(call.args) < 2:  # noqa: PLR2004  (scores, targets)
            continue
        name = source.text_of(call.func)
        uses = any(isinstance(n, ast.Name) and n.id == target.id for n in ast.walk(call.args[0]))
        if uses and name.endswith(("mse_loss", "l1_loss")):
            labels = source.text_of(call.args[1]).removesuffix(".float()")
            new = f"{name.rpartition('.')[0]}.cross_entropy({target.id}, {labels})".lstrip(".")
            yield 1, partial(edits.replace, source, [(node, scores), (call, new)])


def _with_autograd(evidence: Evidence, cut: Operator) -> Iterator[Attempt]:
    """Yield the change that removes `with torch.no_grad()` or the decorator around an operator."""
    for source, node in _disabled_by(evidence, cut):
        if isinstance(node, ast.With):
            yield 0, partial(edits.unwrap, source, node)
        else:
            yield 0, partial(_without_line, source, node.lineno)


def _disabled_by(evidence: Evidence, cut: Operator) -> Iterator[tuple[Source, ast.With | ast.expr]]:
    """Yield what runs an operator without autograd: blocks and decorators, the innermost first."""
    for place in cut.places:
        source = evidence.source(place.file)
        statement = source.statement_at(place.line) if source else None
        if source is None or statement is None:
            continue
        for around in source.ancestors(statement):
            if isinstance(around, ast.With) and _disables(source, around.items[0].context_expr):
                yield source, around
            for decorator in getattr(around, "decorator_list", []):
                if _disables(source, decorator):
                    yield source, decorator


def _disables(source: Source, node: ast.expr) -> bool:
    return any(name in source.text_of(node) for name in NO_GRAD)


def _without_line(source: Source, line: int) -> Patch:
    lines = [text for number, text in enumerate(source.lines, 1) if number != line]
    return {source.path: "\n".join(lines)}


def _is_frozen(evidence: Evidence) -> bool:
    """Return whether no parameter of the network that ran last requires a gradient."""
    return bool(_last_parameters(evidence)) and not any(
        evidence.record.parameters[n].requires_grad for n in _last_parameters(evidence)
    )


def _last_parameters(evidence: Evidence) -> tuple[int, ...]:
    passes = [forward for forward in evidence.record.passes if forward.parameters]
    return passes[-1].parameters if passes else ()


def _frozen(evidence: Evidence) -> Iterator[Finding]:
    frame = evidence.frames[0]
    count = len(_last_parameters(evidence))
    found = list(freezing_statements(evidence))
    cause = frame_location(frame)
    if found:
        source, statement = found[-1]
        loop = next(iter(source.loops_around(statement)), statement)
        cause = Location(source.path, loop.lineno)
    yield Finding(
        kind="training/all_frozen",
        message="every parameter of the network is frozen, so the loss has no graph",
        evidence=f"none of {count} parameters has requires_grad=True at the forward pass; a new "
        "head must come after the freezing, or be left out of it",
        cause=cause,
        symptom=frame_location(frame),
        subject="all parameters",
        cases=("training/frozen_new_head",),
        candidates=candidates(*unfrozen(evidence, found)),
        confidence=10,
    )
