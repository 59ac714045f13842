"""What a backward pass needs is not changed in place before it."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.views import same_memory
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.autograd.step_between import (
    changed_shape,
    is_about_in_place,
    step_between,
)
from broken_convnets.commands.diagnose.sites import Site, candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

Attempt = tuple[int, "Callable[[], Patch]"]
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@"}


@rule(
    "no operator changes a tensor in place that the backward pass needs",
    stays_quiet="if no recorded operator changed a tensor of the shape in the message, or a view",
)
def changed_in_place(evidence: Evidence) -> Iterator[Finding]:
    """Find the in-place operator behind "modified by an inplace operation"."""
    frame = require_failure(evidence, RuntimeError)
    shape = changed_shape(evidence)
    if not is_about_in_place(evidence) or shape is None or step_between(evidence, shape):
        return
    operator = _first_change(evidence, shape)
    if operator is None or not operator.places:
        return
    site = _site(evidence, operator.places)
    text = shortened(operator.places[0].text)
    made = _constructed_in_place(evidence, operator)
    saved = re.search(r"output \d+ of (\w+?)(?:Backward\d*)?,", evidence.message)
    by = f", the output of {saved[1].lower()}," if saved else ""
    yield Finding(
        kind="training/inplace_modified",
        message=f"`{text}` changes in place what the backward pass needs",
        evidence=f"a tensor {list(shape)}{by} is needed as it was; {operator.name} overwrites it",
        cause=location(operator.places),
        symptom=frame_location(frame),
        subject=text,
        cases=("training/inplace_add_to_relu_output",),
        candidates=candidates(*_out_of_place(site), *made),
        confidence=10,
    )


def _first_change(evidence: Evidence, shape: tuple[int, ...]) -> Operator | None:
    """Return the in-place operator that first changed a tensor of a shape after it was saved.

    Later ones change what the first one returns, which would be another tensor without it.
    """
    changes = _changes(evidence, shape)
    if not changes:
        return None
    memory = {v for value in changes[-1].changed for v in same_memory(evidence, value)}
    same = [one for one in changes if not memory.isdisjoint(one.changed)]
    versions = re.search(r"is at version (\d+); expected version (\d+)", evidence.message)
    count = int(versions[1]) - int(versions[2]) if versions else 1
    return same[-count] if 0 < count <= len(same) else changes[-1]


def _changes(evidence: Evidence, shape: tuple[int, ...]) -> list[Operator]:
    """Return the in-place operators on tensors of a shape, on parts or views of them."""
    changes = [o for o in evidence.record.operators if o.changed and not o.raised and o.places]
    related = [
        one
        for one in changes
        if any(v.shape == shape for value in one.changed for v in same_memory(evidence, value))
    ]
    return [one for one in related if any(v.requires_grad for v in one.changed)] or related


def _site(
    evidence: Evidence, places: Sequence[Place]
) -> tuple[Source, ast.stmt, ast.expr | None] | None:
    source = evidence.source(places[0].file)
    statement = source.statement_at(places[0].line) if source else None
    return (source, statement, source.expression_at(places[0])) if source and statement else None


def _out_of_place(found: tuple[Source, ast.stmt, ast.expr | None] | None) -> Iterator[Attempt]:
    """Yield the change that computes a new tensor instead."""
    if found is None:
        return
    source, statement, node = found
    if isinstance(statement, ast.AugAssign):
        yield from _as_assignment(source, statement)
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        name = source.text_of(statement.targets[0].value)
        yield 0, partial(edits.insert_before, source, statement, f"{name} = {name}.clone()")
    call = node if isinstance(node, ast.Call) else None
    if call is None:
        return
    for keyword in call.keywords:
        if keyword.arg == "inplace":
            yield 0, partial(edits.replace, source, [(keyword.value, "False")])
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name.endswith("_") and not name.startswith("_") and isinstance(call.func, ast.Attribute):
        if isinstance(call.func.value, ast.Subscript):
            whole = source.text_of(call.func.value.value)
            yield 0, partial(edits.insert_before, source, statement, f"{whole} = {whole}.clone()")
            return
        owner = source.text_of(call.func.value)
        new = source.text_of(call).replace(f".{name}(", f".{name[:-1]}(", 1)
        alone = isinstance(statement, ast.Expr) and statement.value is call
        yield 0, partial(edits.replace, source, [(call, f"{owner} = {new}" if alone else new)])


def _as_assignment(source: Source, statement: ast.AugAssign) -> Iterator[Attempt]:
    sign, target = SIGNS.get(type(statement.op)), source.text_of(statement.target)
    value = source.text_of(statement.value)
    simple = isinstance(statement.value, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    if sign is None:
        return
    text = f"{target} = {target} {sign} {value if simple else f'({value})'}"
    if isinstance(statement.target, ast.Subscript):
        name = source.text_of(statement.target.value)
        yield 0, partial(edits.insert_before, source, statement, f"{name} = {name}.clone()")
    else:
        yield 0, partial(edits.replace, source, [(statement, text)])


def _constructed_in_place(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    """Yield the change of `nn.ReLU(inplace=True)` for the layers of the operator's type."""
    for built in evidence.record.constructions:
        if built.type == operator.layer and built.arguments.get("inplace"):
            yield from _not_in_place(site_of(evidence, built.places))


def _not_in_place(site: Site | None) -> Iterator[Attempt]:
    if site is None:
        return
    for keyword in site.call.keywords:
        if keyword.arg == "inplace":
            yield 0, partial(edits.replace, site.source, [(keyword.value, "False")])
    if site.call.args and isinstance(site.call.args[0], ast.Constant):
        yield 0, partial(edits.replace, site.source, [(site.call.args[0], "False")])


@rule(
    "parameters are changed in place without autograd",
    stays_quiet="unless PyTorch refuses a change of a leaf",
)
def leaf_changed_in_place(evidence: Evidence) -> Iterator[Finding]:
    """Find in-place changes of parameters outside of torch.no_grad()."""
    frame = require_failure(evidence, RuntimeError)
    statement = frame.statement
    if "leaf Variable that requires grad" not in evidence.message or statement is None:
        return
    text = shortened(frame.source.text_of(statement))
    yield Finding(
        kind="training/inplace_modified",
        message=f"`{text}` changes a parameter in place while autograd records",
        evidence="autograd does not allow in-place changes of leaves that require gradients; "
        "wrap the change in torch.no_grad()",
        cause=Location(frame.source.path, frame.place.line),
        subject=text,
        candidates=candidates(
            (0, partial(edits.wrap, frame.source, statement, "with torch.no_grad():"))
        ),
        confidence=10,
    )
