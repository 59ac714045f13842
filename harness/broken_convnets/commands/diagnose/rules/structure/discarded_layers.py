"""What a layer with parameters returns reaches the output of its network."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.structure.discarded_outputs import STATISTICS
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator, Parameter


@rule(
    "a statement that calls layers with parameters changes what the network returns",
    stays_quiet="about layers that reach the output or a loss in another way, networks with hooks, "
    "calls that write to tensors, and single operators, which have a rule of their own",
)
def layer_discarded(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.block(x)` whose output is lost, where the block has layers of its own."""
    require_success(evidence)
    seen: set[ast.Call] = set()
    for forward in evidence.record.passes:
        network = forward.network()
        if not forward.whole or network is None or _has_hooks(network):
            continue
        for source, call, operators in _lost(evidence, forward):
            parameters = _parameters(evidence, forward, operators)
            if call in seen or not parameters or not _is_lost(evidence, forward, parameters):
                continue
            seen.add(call)
            yield _finding(source, call, parameters)


def _finding(source: Source, call: ast.Call, parameters: list[Parameter]) -> Finding:
    text = source.text_of(call)
    return Finding(
        kind="training/layer_output_discarded",
        message=f"the output of {text} is discarded",
        evidence=f"neither the output of the network nor a loss depends on {parameters[0].name} "
        f"and the {len(parameters) - 1} other parameters of this call",
        violates=(Law.EVERY_PARAMETER_LEARNS,),
        cause=location_in(source, call),
        subject=text,
        module=parameters[0].name.rpartition(".")[0],
        cases=("module/discarded_layer_output",),
        candidates=_assigned(source, call),
        confidence=8,
    )


def _has_hooks(network: nn.Module) -> bool:
    """Return whether something may take the output of a layer on its way."""
    return any(module._forward_hooks for module in network.modules())  # noqa: SLF001  (no public way)


def _lost(
    evidence: Evidence, forward: ForwardPass
) -> Iterator[tuple[Source, ast.Call, list[Operator]]]:
    """Yield the calls that are statements, with the operators that run in them."""
    found: dict[ast.Call, tuple[Source, list[Operator]]] = {}
    first, end = forward.moment.operators, forward.operators_at_end or 0
    for operator in (o for o in evidence.record.operators if first <= o.number < end):
        for place in operator.places:
            source = evidence.source(place.file) if place not in forward.places else None
            call = source.expression_at(place) if source else None
            statement = source.parent(call) if source and call else None
            if source and isinstance(call, ast.Call) and isinstance(statement, ast.Expr):
                found.setdefault(call, (source, []))[1].append(operator)
    for call, (source, operators) in found.items():
        judged = _is_single(source, call, operators) or _writes(operators)
        if call.args and not judged:
            yield source, call, operators


def _is_single(source: Source, call: ast.Call, operators: list[Operator]) -> bool:
    """Return whether the rule about operators judges a call: no code of the user's is inside."""
    inside = {id(source.expression_at(o.places[0])) for o in operators} == {id(call)}
    return inside and not any(o.changed and not o.layer.startswith(STATISTICS) for o in operators)


def _writes(operators: list[Operator]) -> bool:
    """Return whether a call changes a tensor that is not of its own making: a buffer, a memory."""
    made = {value for operator in operators for value in (*operator.outputs, *operator.changed)}
    return any(
        value not in made and not value.parameter
        for operator in operators
        if operator.changed and not operator.layer.startswith(STATISTICS)
        for value in operator.inputs[:1]
    )


def _parameters(
    evidence: Evidence, forward: ForwardPass, operators: list[Operator]
) -> list[Parameter]:
    """Return the trained parameters that some operators of a pass use."""
    used = {value for operator in operators for value in operator.inputs if value.parameter}
    known = (evidence.record.parameters[number] for number in forward.parameters)
    return [one for one in known if one.requires_grad and used.intersection(one.values)]


def _is_lost(evidence: Evidence, forward: ForwardPass, parameters: list[Parameter]) -> bool:
    """Return whether no output of the pass and no loss depends on any of the parameters."""
    found = evidence.flow.descendants(v for one in parameters for v in one.values)
    used = evidence.flow.reaching_backward
    return found.isdisjoint(forward.returned) and found.isdisjoint(used)


def _assigned(source: Source, call: ast.Call) -> tuple[Candidate, ...]:
    first = call.args[0]
    if not isinstance(first, ast.Name):
        return ()
    new = f"{first.id} = {source.text_of(call)}"
    return candidates((0, partial(edits.replace, source, [(call, new)])))
