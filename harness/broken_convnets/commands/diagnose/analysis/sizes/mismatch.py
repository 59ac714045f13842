"""Two sides disagree about a size: which side to change, and the candidates for both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.built_in_loops import (
    carried_changes,
    reversed_changes,
)
from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.helpers import chosen_call
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    BATCH_NORMS,
    INSTANCE_NORMS,
    declared,
    input_argument,
    output_argument,
    type_name,
)
from broken_convnets.commands.diagnose.analysis.sizes.lineage import main_input, origin
from broken_convnets.commands.diagnose.analysis.sizes.wording import layer_name
from broken_convnets.commands.diagnose.edits import EditError, replace
from broken_convnets.commands.diagnose.findings import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.lineage import Origin
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Construction
    from broken_convnets.observe.recorder.values import Value

Group = tuple[int, str, "Iterable[Change]"]  # a rank, a note, and ways to write one fix
LATER = 10  # a rank after all ways to write the first choice
KEEP_CHANNELS = {*BATCH_NORMS, *INSTANCE_NORMS, "GroupNorm", "LayerNorm", "RMSNorm", "PReLU"}


@dataclass(frozen=True)
class Mismatch:
    """A layer that is constructed for `declared` channels or features, and receives `arriving`."""

    evidence: Evidence
    failed: FailedCall
    layer: nn.Module
    argument: str
    declared: int
    arriving: int
    value: Value
    factors: tuple[int, ...] = ()

    @property
    def construction(self) -> Construction | None:
        """Where the layer is constructed."""
        return self.failed.construction

    @property
    def made_by(self) -> Origin:
        """What determined the size that arrives."""
        return origin(self.evidence.record, self.value, self.arriving)


def ranked(*groups: Group) -> tuple[Candidate, ...]:
    """Return candidates from (rank, note, changes), the lowest rank first.

    Impossible and equal ones are left out. The changes of one group are different ways to write
    one fix: each ranks after the one before.
    """
    found: list[Candidate] = []
    for first, note, changes in sorted(groups, key=lambda group: group[0]):
        rank = first
        for change in changes:
            try:
                patch = change()
            except EditError:
                continue
            if all(patch != one.patch for one in found):
                found.append(Candidate(patch, rank, note))
                rank += 1
    return tuple(sorted(found, key=lambda candidate: candidate.rank))


def mismatch_candidates(one: Mismatch) -> tuple[Candidate, ...]:
    """Return the changes of either side; the side that the other layers contradict comes first."""
    made = one.made_by
    consumer = consumer_changes(one)
    producer = list(producer_changes(one, made))
    names = [layer_name(one.evidence, one.layer)]
    names += [layer_name(one.evidence, made.layer)] if made.layer is not None else []
    notes = [f"changes {name}" for name in names] if producer else ["", ""]
    sides = [(notes[0], consumer), (notes[-1], producer)]
    wrong = producer_is_wrong(one, made)
    if wrong:
        sides.reverse()
    later = LATER if wrong is not None else 0
    exchange = (0, "exchanges the input and output sizes", swapped(one))
    carried = (-1, "the next layer receives what this one returns", carried_changes(one, made))
    turned = (0, "the other way round, as a decoder", reversed_changes(one))
    return ranked(carried, turned, exchange, (0, *sides[0]), (later, *sides[1]))


def consumer_changes(one: Mismatch) -> list[Change]:
    """Return the changes of the layer that receives the size."""
    wanted = Wanted(one.arriving, one.declared, one.factors, one.made_by)
    return argument_changes(one.evidence, one.construction, one.layer, one.argument, wanted)


def swapped(one: Mismatch) -> list[Change]:
    """Return the exchange of the input and output sizes of a layer, if it fits the input."""
    name = output_argument(one.layer)
    if not name or name == one.argument or declared(one.layer, name) != one.arriving:
        return []
    chosen = chosen_call(one.evidence, one.construction, one.layer, one.argument, name)
    if chosen is None:
        return []
    source, (own, other) = chosen.site.source, chosen.nodes
    texts = [source.text_of(node) for node in (own, other)]
    return [partial(replace, source, [(own, texts[1]), (other, texts[0])])]


def is_swapped(one: Mismatch) -> bool:
    """Return whether the exchange of both sizes fits the input and the layer after it.

    A loop exchanges those of the layer after it too.
    """
    following = _next_layer(one)
    if following is None or not swapped(one):
        return False
    if declared(following, input_argument(following)) == one.declared:
        return True
    record = one.evidence.record
    made = [record.construction(layer) for layer in (one.layer, following)]
    looped = all(made) and made[0] and made[1] and made[0].places[:1] == made[1].places[:1]
    return bool(looped) and declared(following, output_argument(following)) == one.declared


def producer_changes(one: Mismatch, made: Origin) -> Iterator[Change]:
    """Yield the changes of the layer that returns the size, if it is one of the same size."""
    if made.layer is None or made.layer is one.layer or made.flattened:
        return
    name = output_argument(made.layer)
    now = declared(made.layer, name)
    directions = 2 if getattr(made.layer, "bidirectional", False) else 1
    if now is not None and now * directions == one.arriving and one.declared % directions == 0:
        wanted = Wanted(one.declared // directions, now)
        yield from argument_changes(one.evidence, made.construction, made.layer, name, wanted)


def producer_is_wrong(one: Mismatch, made: Origin) -> bool | None:
    """Return whether other layers agree with the receiving layer; None if they do not say.

    A layer that has already used the output agrees with it. A norm has the same number of
    channels as the layer that is constructed after it.
    """
    if made.layer is None:
        return None
    if _is_confirmed(one, made):
        return False
    if type_name(one.layer) in KEEP_CHANNELS:
        following = _constructed_next(one)
        if following is not None and following == one.declared:
            return True
        if following is not None and following == one.arriving:
            return False
    return None


def _is_confirmed(one: Mismatch, made: Origin) -> bool:
    """Return whether a layer with a declared input size has used what was returned."""
    record = one.evidence.record
    for operator in list(record.operators)[-200:]:
        module = operator.owner() if operator.owner else None
        if module is None or module in {one.layer, made.layer} or operator.raised:
            continue
        name = input_argument(module)
        if name and declared(module, name) == one.arriving:
            value = main_input(operator)
            if value is not None and origin(record, value, one.arriving).layer is made.layer:
                return True
    return False


def _constructed_next(one: Mismatch) -> int | None:
    """Return the input size of the layer that is constructed next; None if there is none."""
    found = _next_layer(one)
    return declared(found, input_argument(found)) if found is not None else None


def _next_layer(one: Mismatch) -> nn.Module | None:
    """Return the layer with an input size that is constructed next, norms left out."""
    modules = one.evidence.record.constructed_modules()
    after = modules[modules.index(one.layer) + 1 :] if one.layer in modules else []
    for module in after:
        name = input_argument(module)
        if name and type_name(module) not in KEEP_CHANNELS:
            return module
    return None
