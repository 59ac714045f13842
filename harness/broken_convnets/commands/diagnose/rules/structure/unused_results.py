"""Every layer that is called takes part in the output."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.usage import Usage
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value


@rule(
    "every layer with parameters that is called takes part in the output",
    stays_quiet="if its output is read, kept or used anywhere else, or in another forward pass",
)
def result_not_used(evidence: Evidence) -> Iterator[Finding]:
    """Find layers whose output ends in a variable that nothing reads."""
    require_success(evidence)
    for network in evidence.record.kept_networks:
        usage = Usage(evidence, network)
        seen: set[Place] = set()
        for path, parameter, known in usage.parameters:
            if not parameter.requires_grad:
                continue
            ends = _dead_ends(evidence, usage, known.values)
            place = ends[-1].place if ends else None
            if place is None or place in seen:
                continue
            seen.add(place)
            found = _assignment(evidence, place)
            if found is not None:
                yield _finding(path.rpartition(".")[0] or path, ends[-1], *found)


def _dead_ends(evidence: Evidence, usage: Usage, values: list[Value]) -> list[Operator]:
    """Return the last operators that depend on a parameter, if no output does; else none."""
    if not usage.passes or any(p.returned == () for p in usage.passes):
        return []
    flow = evidence.flow
    found = flow.descendants(values)
    kept = {v for p in usage.passes for v in p.returned}
    kept.update(r for b in evidence.record.backward_passes for r in b.roots)
    if len(found) <= len(set(values)) or found & kept:
        return []
    users = {o.number: o for value in found for o in flow.consumers(value)}
    inside = all(
        _is_inside(usage.passes, o) and o.outputs and not _writes(o) for o in users.values()
    )
    ends = [o for o in users.values() if not any(flow.consumers(v) for v in o.outputs)]
    return sorted(ends, key=lambda o: o.number) if inside else []


def _is_inside(passes: list[ForwardPass], operator: Operator) -> bool:
    number = operator.number
    return any(p.moment.operators <= number < (p.operators_at_end or 0) for p in passes)


def _writes(operator: Operator) -> bool:
    statistics = operator.layer.startswith(("BatchNorm", "InstanceNorm"))
    return bool(operator.changed) and not statistics


def _assignment(evidence: Evidence, place: Place) -> tuple[Source, ast.Assign, str] | None:
    """Return the assignment at a place and the one name that it assigns."""
    source = evidence.source(place.file)
    expression = source.expression_at(place) if source else None
    statement = source.statement_of(expression) if source and expression else None
    if source is None or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    return (source, statement, target.id) if isinstance(target, ast.Name) else None


def _finding(path: str, end: Operator, source: Source, statement: ast.Assign, name: str) -> Finding:
    reader = _next_reader(source, statement, name)
    return Finding(
        kind="training/unused_layer",
        message=f"{path} is called, but the output does not depend on it",
        evidence=f"the {end.outputs[-1]} in {name} is not used by anything that follows",
        violates=(Law.EVERY_PARAMETER_LEARNS,),
        cause=Location(source.path, (reader or statement).lineno),
        symptom=Location(source.path, statement.lineno),
        subject=path,
        module=path,
        cases=("module/unused_layer", "module/discarded_layer_output"),
        candidates=_repairs(source, statement, name),
        confidence=8,
    )


def _inputs(statement: ast.Assign) -> list[str]:
    """Return the variables that a statement reads, without what it calls."""
    calls = [node for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
    arguments = [a for call in calls for a in call.args]
    return [a.id for a in arguments if isinstance(a, ast.Name)]


def _next_reader(source: Source, statement: ast.Assign, name: str) -> ast.Name | None:
    """Return the next place that reads the variable from which the lost result was computed."""
    function = source.function_of(statement)
    wanted = set(_inputs(statement)) - {name}
    later = [
        node
        for node in ast.walk(function or source.tree)
        if isinstance(node, ast.Name)
        and node.id in wanted
        and isinstance(node.ctx, ast.Load)
        and node.lineno > (statement.end_lineno or statement.lineno)
    ]
    return min(later, key=lambda node: (node.lineno, node.col_offset), default=None)


def _repairs(source: Source, statement: ast.Assign, name: str) -> tuple[Candidate, ...]:
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    reader = _next_reader(source, statement, name)
    if reader is not None:
        attempts.append((0, partial(edits.replace, source, [(reader, name)])))
    for other in _inputs(statement)[:1]:
        if other != name:
            target = statement.targets[0]
            attempts.append((1, partial(edits.replace, source, [(target, other)])))
    return candidates(*attempts)
