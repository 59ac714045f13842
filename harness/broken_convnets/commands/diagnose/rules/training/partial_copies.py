"""A copy of a network that follows it follows all of its trained parameters."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    location,
    location_in,
    require_success,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator, Parameter
    from broken_convnets.observe.recorder.values import Value

SHARING = frozenset({"__get__ data", "detach", "view", "flatten", "reshape", "__getitem__"})
ALIASES = 3  # of aliases of a parameter
UNRECORDED = "_foreach_"  # functions whose calls are not recorded
UPDATES = 2  # of a copy, at least
FEW = 3  # names of parameters in a message


class Followed(NamedTuple):
    """Numbers of the parameters of a copy, and the operator that last wrote to one of them."""

    written: dict[int, Operator]
    left: list[int]


@rule(
    "a copy that follows a network follows all of its trained parameters",
    stays_quiet="unless two networks of one class have the same parameters, one trains and no "
    "optimizer has the other one, and the program wrote to some parameters of the other one "
    "during the training, but never to those that belong to trained ones "
    "and that the copy uses",
)
def part_of_copy_stays(evidence: Evidence) -> Iterator[Finding]:
    """Find a momentum encoder whose update reaches the backbone, and not the projection head."""
    require_success(evidence)
    if any(UNRECORDED in source.text for source in evidence.user_sources):
        return
    stepped = {number for s in evidence.record.optimizer_steps for number in s.changed}
    latest: dict[tuple[int, ...], ForwardPass] = {}
    for forward in evidence.record.passes:
        if forward.whole and forward.parameters:
            latest[forward.parameters] = forward
    trained = [numbers for numbers in latest if stepped.intersection(numbers)]
    for copy, forward in latest.items():
        other = next((t for t in trained if _are_alike(evidence, latest, copy, t)), None)
        if other is None or stepped.intersection(copy):
            continue
        pairs = [(a, b) for a, b in zip(copy, other, strict=True) if b in stepped]
        in_loss = evidence.flow.is_in_loss(forward)
        found = _followed(evidence, [a for a, _ in pairs], in_loss=in_loss)
        if len(pairs) > len(found.written) + len(found.left) or not found.left:
            continue  # the copy may not use all of its parameters
        if _follows(evidence, found):
            yield _finding(evidence, forward, found)
            return


def _follows(evidence: Evidence, found: Followed) -> bool:
    """Return whether the lines that write to a copy do so after several steps."""
    places = {one.place for one in found.written.values()}
    writes = (o for o in evidence.record.operators if o.place in places)
    return len({one.moment.optimizer_steps for one in writes}) >= UPDATES


def _are_alike(
    evidence: Evidence,
    latest: dict[tuple[int, ...], ForwardPass],
    copy: tuple[int, ...],
    other: tuple[int, ...],
) -> bool:
    """Return whether two networks are of one class and have equal parameters, but not the same."""
    networks = [latest[numbers].network() for numbers in (copy, other)]
    if None in networks or type(networks[0]) is not type(networks[1]) or set(copy) & set(other):
        return False
    facts = [[evidence.record.parameters[n] for n in numbers] for numbers in (copy, other)]
    return [(p.name, p.shape) for p in facts[0]] == [(p.name, p.shape) for p in facts[1]]


def _followed(evidence: Evidence, numbers: list[int], *, in_loss: bool) -> Followed:
    """Return which parameters operators have written to since the first step of an optimizer.

    `in_loss` is whether a loss depends on the copy: it then depends on the parameters, too.
    """
    found = Followed({}, [])
    for number in numbers:
        facts = evidence.record.parameters[number]
        maker = written_by(evidence, facts)
        if maker is not None and maker.places:
            found.written[number] = maker
            continue
        only = facts.values[0] if maker is None and len(facts.values) == 1 else None
        if only is not None and _is_read(evidence, only, in_loss=in_loss):
            found.left.append(number)
    return found


def _is_read(evidence: Evidence, value: Value, *, in_loss: bool) -> bool:
    """Return whether an operator, or a loss, uses a parameter after an optimizer's first step."""
    users = evidence.flow.consumers(value)
    read = [one for one in users if one.moment.optimizer_steps and not one.changed]
    reaching = evidence.flow.reaching_backward if in_loss else set()
    return any(not in_loss or not reaching.isdisjoint(one.outputs) for one in read)


def written_by(evidence: Evidence, parameter: Parameter) -> Operator | None:
    """Return an operator that wrote to a parameter after the first step of an optimizer.

    It may be one that changes `.data`, or what shares its memory.
    """
    for value in parameter.values[-1:]:
        maker = evidence.record.producer(value)
        found = [maker] if maker is not None else []
        for operator in (*found, *_writes(evidence, value, ALIASES)):
            if operator.moment.optimizer_steps:
                return operator
    return None


def _writes(evidence: Evidence, value: Value, depth: int) -> Iterator[Operator]:
    """Yield the operators that write to a value, or to one that shares its memory."""
    for operator in evidence.flow.consumers(value):
        if operator.inputs[0] is not value:
            continue
        if operator.changed or operator.name == "__set__ data":
            yield operator
        elif operator.name in SHARING and depth:
            for one in operator.outputs:
                yield from _writes(evidence, one, depth - 1)


def _finding(evidence: Evidence, forward: ForwardPass, found: Followed) -> Finding:
    parameters = evidence.record.parameters
    names = [parameters[number].name for number in found.left]
    shown = ", ".join(names[:FEW]) + (f" and {len(names) - FEW} others" if names[FEW:] else "")
    maker = next(iter(found.written.values()))
    network = forward.network()
    return Finding(
        kind="training/not_learning",
        message=f"the copy of {type(network).__name__} follows only a part of the network: {shown} "
        f"{'stay' if names[1:] else 'stays'} as at the beginning",
        evidence=f"`{maker.places[0].text}` updates {len(found.written)} parameters of the copy, "
        f"and nothing writes to {len(names)} others, whose originals train",
        cause=_loop(evidence, maker) or location(maker.places),
        symptom=location(forward.places),
        subject=maker.places[0].text,
        module=names[0].rpartition(".")[0],
        confidence=7,
    )


def _loop(evidence: Evidence, maker: Operator) -> Location | None:
    """Return the loop over parameters around an update."""
    source = evidence.source(maker.places[0].file)
    statement = source.statement_at(maker.places[0].line) if source else None
    loop = source.enclosing(statement, ast.For) if source and statement else None
    is_loop = loop is not None and source is not None and "parameters(" in source.text_of(loop.iter)
    return location_in(source, loop) if source and loop and is_loop else None
