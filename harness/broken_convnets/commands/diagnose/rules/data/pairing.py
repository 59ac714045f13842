"""Inputs and targets of one sample stay together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.listings import (
    in_order,
    listings_with,
    paired_listings,
)
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SELECTIONS = frozenset({"__getitem__", "index_select", "take_along_dim"})


@rule(
    "files that belong together are listed in one order",
    stays_quiet="unless two lists of a dataset have the same file names in different orders",
)
def files_out_of_order(evidence: Evidence) -> Iterator[Finding]:
    """Find listings of images and masks that are not sorted alike."""
    if any(True for _ in paired_listings(evidence)):
        return  # that is the cause
    for loader in evidence.record.loaders:
        found = loader.dataset.unpaired
        if found is None:
            continue
        one, other, first, second = found
        listed = listings_with(evidence, first, second)
        yield Finding(
            kind="data/pairs_out_of_order",
            message=f"{one} and {other} list the same names in different orders, so that samples "
            "get the files of others",
            evidence=f"{first} is paired with {second}",
            cause=location(listed[-1].places if listed else loader.places),
            subject=f"{one}, {other}",
            candidates=in_order(evidence, *listed) if listed else (),
            confidence=8,
        )
        return


@rule(
    "inputs and targets are permuted alike",
    stays_quiet="about losses whose input or target was permuted several times, and permutations "
    "that both share",
)
def permuted_apart(evidence: Evidence) -> Iterator[Finding]:
    """Find images and labels that two different permutations, or two loaders, have shuffled."""
    for call in evidence.record.losses:
        mine, target = _permutations(evidence, call)
        if len(mine) != 1 or len(target) != 1 or mine == target:
            continue
        first, second = mine.pop(), target.pop()
        if _size(first) != _size(second) or not second.places:
            continue
        yield Finding(
            kind="data/pairs_out_of_order",
            message="inputs and targets are shuffled by two different permutations",
            evidence=f"{call.name} compares what {first.places[0].text} has shuffled with what "
            f"{second.places[0].text} has shuffled: every sample gets the target of another one",
            cause=location(second.places),
            symptom=location(call.operator.places),
            subject=second.places[0].text,
            candidates=_same_permutation(evidence, first, second),
            confidence=8,
        )
        return


def _permutations(evidence: Evidence, call: LossCall) -> tuple[set[Operator], set[Operator]]:
    inputs = call.operator.inputs[:2]
    if len(inputs) < 2:  # noqa: PLR2004  (an input and a target)
        return set(), set()
    found = [_permutations_of(evidence, (value,)) for value in inputs]
    return found[0], found[1]


def _permutations_of(evidence: Evidence, values: Iterable[Value]) -> set[Operator]:
    """Return the calls of randperm that have selected rows of what the values depend on."""
    found: set[Operator] = set()
    for value in evidence.flow.ancestors(values):
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in SELECTIONS:
            continue
        for index in evidence.flow.ancestors(operator.inputs[1:]):
            producer = evidence.record.producer(index)
            if producer is not None and producer.name == "randperm":
                found.add(producer)
    return found


def _size(permutation: Operator) -> tuple[int, ...]:
    return permutation.outputs[0].shape if permutation.outputs else ()


def _same_permutation(
    evidence: Evidence, first: Operator, second: Operator
) -> tuple[Candidate, ...]:
    """Return the change that uses one permutation for both, if they are in one block."""
    one, two = site_of(evidence, first.places), site_of(evidence, second.places)
    if one is None or two is None or not one.shares_block(two) or one.statement is two.statement:
        return ()
    source = one.source
    text = source.text_of(one.call)
    if one.statement.lineno > two.statement.lineno:
        one, two = two, one
    changes = [(one.call, "order"), (two.call, "order")]

    def shared() -> edits.Patch:
        patch = edits.replace(source, changes)
        lines = patch[source.path].split("\n")
        lines.insert(
            one.statement.lineno - 1, f"{edits.indentation(source, one.statement)}order = {text}"
        )
        return {source.path: "\n".join(lines)}

    return candidates((0, shared))
