"""A network leaves its inputs as they are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.in_place import out_of_place
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.record import Operator
    from broken_convnets.observe.recorder.values import Value

VIEWS = frozenset(
    {"__getitem__", "view", "select", "narrow", "transpose", "permute", "unsqueeze", "squeeze"}
    | {"flatten", "reshape", "unflatten", "chunk", "split", "unbind", "movedim", "__get__ T"}
    | {"contiguous", "to", "float", "detach", "view_as", "expand", "swapaxes", "unfold"}
)
ASSIGNMENTS = frozenset({"__setitem__", "copy_", "index_copy_", "scatter_", "index_fill_"})


@rule(
    "a network does not modify its inputs in place",
    stays_quiet="about inputs that another network or a differentiable operator computed, that "
    "the network also returns, and about states that it assigns into",
)
def network_modifies_its_inputs(evidence: Evidence) -> Iterator[Finding]:
    """Find in-place operations on the batch itself, which the caller still uses."""
    seen: set[object] = set()
    for forward in evidence.record.passes:
        for value in forward.written if forward.whole and forward.parameters else ():
            writer = _writer(evidence, forward, value)
            if writer is None or not writer.places or writer.places[0] in seen:
                continue
            if not _is_data(evidence, forward, value, writer):
                continue
            seen.add(writer.places[0])
            yield Finding(
                rule="network_modifies_its_inputs",
                kind="data/inplace_mutates_constant",
                message=f"{writer.name} modifies the input of the network in place",
                evidence=f"the input {value} is another one after forward pass {forward.number}: "
                "who uses the batch again, in the loss or in the next epoch, gets changed numbers",
                violates=(Law.INPUTS_UNTOUCHED,),
                cause=location(writer.places),
                symptom=location(forward.places),
                subject=writer.places[0].text,
                candidates=_fixes(evidence, writer),
                confidence=8,
            )


def _writer(evidence: Evidence, forward: ForwardPass, value: Value) -> Operator | None:
    """Return the operator of a pass that wrote to an input, or to a view of it."""
    end = forward.operators_at_end or 0
    aliases = {value}
    for operator in evidence.record.operators:
        if not forward.moment.operators <= operator.number < end:
            continue
        mine = aliases & set(operator.inputs)
        if mine and operator.changed and operator.inputs[0] in aliases:
            return operator
        if mine and operator.name in VIEWS:
            aliases.update(operator.outputs)
    return None


def _is_data(evidence: Evidence, forward: ForwardPass, value: Value, writer: Operator) -> bool:
    """Return whether an input is a batch of data, and not a state that a network updates."""
    if value.requires_grad or not value.dtype.is_floating_point or value.parameter:
        return False
    if writer.name in ASSIGNMENTS or set(writer.changed) & set(forward.returned):
        return False
    computed = evidence.record.passes
    return not any(value in one.returned for one in computed if one.parameters)


def _fixes(evidence: Evidence, writer: Operator) -> tuple[Candidate, ...]:
    place = writer.places[0]
    source = evidence.source(place.file)
    statement = source.statement_at(place.line) if source else None
    if source is None or statement is None:
        return ()
    changes = out_of_place(source, statement)
    text = source.text_of(statement)
    if "inplace=True" in text:
        changes.append((statement, text.replace("inplace=True", "inplace=False")))
    return candidates(
        *((rank, partial(edits.replace, source, [one])) for rank, one in enumerate(changes))
    )
