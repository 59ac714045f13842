"""A forward pass leaves its inputs as they are."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, require_success, site_of
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.traced_forward import TracedOperator

ASSIGNMENTS = frozenset({"__setitem__", "copy_", "index_copy_", "scatter_"})


@rule(
    "a forward pass does not modify its inputs in place",
    stays_quiet="about inputs that the calling expression computes and nothing else uses, and "
    "about states that the network returns after it has assigned into them",
)
def inputs_modified(evidence: Evidence) -> Iterator[Finding]:
    """Find the operator inside of a network that writes to an input of the network."""
    require_success(evidence)
    for probe in evidence.probing.violating(Law.INPUTS_UNTOUCHED):
        operator = evidence.probing.run(partial(_writing, probe))
        if operator is None or not operator.places or _is_fresh(evidence, probe):
            continue
        if operator.name in ASSIGNMENTS and _is_returned(evidence, probe):
            continue
        place = operator.places[0]
        yield Finding(
            kind="training/inplace_modified",
            message=f"{place.text} overwrites the input of the network",
            evidence=f"{operator.name} writes to the {list(operator.inputs[0].shape)} tensor that "
            f"{type(probe.network).__name__} is called with: the caller's data change",
            violates=(Law.INPUTS_UNTOUCHED,),
            cause=Location(place.file, place.line),
            subject=place.text,
            cases=("module/inplace_relu_on_input",),
            candidates=_repairs(evidence, operator),
            confidence=7,
        )


def _writing(probe: Probe) -> TracedOperator | None:
    """Return the first operator that writes to an input."""
    net, inputs = probe.subject.build(), probe.subject.inputs()
    trace, _ = trace_call(lambda: net.forward(inputs), tensors(inputs))
    return next((operator for operator in trace if operator.written), None)


def _is_returned(evidence: Evidence, probe: Probe) -> bool:
    """Return whether the network assigns into an input that it returns, as memories do."""
    forward = probe.forward
    return any(
        operator.name in ASSIGNMENTS
        and operator.inputs[0] in forward.received
        and set(operator.changed) & set(forward.returned)
        for operator in evidence.record.operators
        if operator.inputs
    )


def _is_fresh(evidence: Evidence, probe: Probe) -> bool:
    """Return whether the inputs are results that only this forward pass uses."""
    forward = probe.forward
    end = forward.operators_at_end or 0
    for value in forward.received:
        users = evidence.flow.consumers(value)
        outside = any(not forward.moment.operators <= o.number < end for o in users)
        producer = evidence.record.producer(value)
        inline = producer is not None and _is_inline(evidence, probe, producer.places[:1])
        if outside or not inline:
            return False
    return True


def _is_inline(evidence: Evidence, probe: Probe, places: tuple[object, ...]) -> bool:
    """Return whether a value is computed inside of the expression that calls the network."""
    call = site_of(evidence, probe.forward.places)
    place = next(iter(probe.forward.places), None)
    inner = places[0] if places else None
    if call is None or place is None or inner is None:
        return False
    same = getattr(inner, "file", "") == place.file
    return same and place.line <= getattr(inner, "line", 0) <= place.end_line


def _repairs(evidence: Evidence, operator: TracedOperator) -> tuple[Candidate, ...]:
    source = evidence.source(operator.places[0].file)
    statement = source.statement_at(operator.places[0].line) if source else None
    if source is not None and isinstance(statement, ast.AugAssign):
        return candidates((0, partial(_out_of_place, source, statement)))
    site = site_of(evidence, operator.places)
    if site is None:
        return ()
    attempts: list[tuple[int, Callable[[], Patch]]] = _on_copy(site)
    for built in evidence.record.constructions:
        own = site_of(evidence, built.places)
        inplace = own is not None and any(k.arg == "inplace" for k in own.call.keywords)
        named = own is not None and f".{_called(site)}" in own.source.text_of(own.statement)
        if own is not None and inplace and named:
            attempts.append(
                (0, partial(edits.set_argument, own.source, own.call, "inplace", None, "False"))
            )
            break
    return candidates(*sorted(attempts, key=lambda one: one[0]))


def _out_of_place(source: Source, statement: ast.AugAssign) -> Patch:
    """Return a patch that turns `x -= y` into `x = x - (y)`."""
    if not isinstance(statement.target, ast.Name):
        message = "a part of a tensor cannot be replaced"
        raise edits.EditError(message)
    name, value = statement.target.id, source.text_of(statement.value)
    new = ast.BinOp(ast.Name(name), statement.op, ast.Name(f"({value})"))
    return edits.replace(source, [(statement, f"{name} = {ast.unparse(new)}")])


def _called(site: Site) -> str:
    return site.called.rpartition(".")[2]


def _on_copy(site: Site) -> list[tuple[int, Callable[[], Patch]]]:
    """Return a patch that passes a copy of the input."""
    source, call = site.source, site.call
    if call.args and not site.called.endswith("_"):
        new = f"{source.text_of(call.args[0])}.clone()"
        return [(1, partial(edits.replace, source, [(call.args[0], new)]))]
    if site.called.endswith("_") and site.receiver:
        arguments = ", ".join(source.text_of(argument) for argument in call.args)
        new = f"{site.receiver} = {site.called.rstrip('_')}({arguments})"
        return [(0, partial(edits.replace, source, [(site.statement, new)]))]
    return []
