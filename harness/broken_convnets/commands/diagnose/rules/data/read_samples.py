"""Which samples of a dataset each forward pass received, by the loaders that read them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Epoch, Loader
    from broken_convnets.observe.recorder.passes import ForwardPass

_NEVER = 1 << 62  # forward passes


def epochs_of_passes(evidence: Evidence) -> dict[ForwardPass, Epoch]:
    """Return, for each pass of a network with parameters, the epoch that began last before it."""
    epochs = [epoch for one in evidence.record.loaders for epoch in one.epochs]
    epochs.sort(key=lambda epoch: epoch.moment)
    begins = [epoch.moment.forward_passes for epoch in epochs]
    found: dict[ForwardPass, Epoch] = {}
    for forward in evidence.record.passes if epochs else ():
        at = bisect_right(begins, forward.moment.forward_passes)
        if at and forward.parameters:
            found[forward] = epochs[at - 1]
    return found


def passes_trained_on(evidence: Evidence) -> set[ForwardPass]:
    """Return the passes that a backward pass depends on, or, if it is not known, follows directly.

    Of a long program, the operators between are not kept. A loss may be a module, whose pass
    comes between.
    """
    record = evidence.record
    begins = {b.moment.forward_passes for b in record.backward_passes if b.received}

    def is_followed(forward: ForwardPass) -> bool:
        number = forward.moment.forward_passes + 1
        after = record.passes.find(number)
        is_loss = after is not None and not after.parameters
        return number in begins or (is_loss and number + 1 in begins)

    return {
        forward
        for forward in record.passes
        if forward.grad_enabled and forward.parameters
        if evidence.flow.is_in_loss(forward) or (record.operators.omitted and is_followed(forward))
    }


def is_trained_before(evidence: Evidence, one: Loader, other: Loader) -> bool:
    """Return whether a network trains on `one` before it is called with the data of `other`.

    A network with new weights is another one, unless they are those of the one that trained, as
    after a load. If it is not known, as for two loaders that are read at once, the answer is yes,
    unless the passes were pushed out.
    """
    read, states = epochs_of_passes(evidence), _states(evidence)
    trained = [forward for forward, epoch in read.items() if epoch in one.epochs]
    called = [forward for forward, epoch in read.items() if epoch in other.epochs]
    first: dict[object, int] = {}
    for forward in trained:
        first.setdefault(states[forward], forward.moment.forward_passes)
    if not (trained and called):
        return not evidence.record.passes.omitted
    learned = [f for f, s in states.items() if first.get(s, _NEVER) < f.moment.forward_passes]
    weights = {forward.weights for forward in learned} - {0}
    return any(forward in learned or forward.weights in weights for forward in called)


def _states(evidence: Evidence) -> dict[ForwardPass, tuple[int, int]]:
    """Return the network of each pass, and how often it got other weights without a step."""
    found: dict[ForwardPass, tuple[int, int]] = {}
    last: dict[int, ForwardPass] = {}
    by_steps = evidence.record.optimizer_steps.count > 0
    for forward in evidence.record.passes:
        key = id(forward.network)
        former = last.get(key, forward)
        resets = found[former][1] if former is not forward else 0
        same_step = former.moment.optimizer_steps == forward.moment.optimizer_steps
        is_new = by_steps and same_step and former.weights != forward.weights
        found[forward] = key, resets + is_new
        last[key] = forward
    return found


def positions_of_passes(
    evidence: Evidence, loaders: Iterable[Loader]
) -> dict[ForwardPass, frozenset[int]]:
    """Return the positions that the epoch before each pass has read, if it is of these loaders."""
    read = {epoch: _positions(one, epoch) for one in loaders for epoch in one.epochs}
    found = epochs_of_passes(evidence) if read else {}
    return {forward: read[epoch] for forward, epoch in found.items() if read.get(epoch)}


def _positions(loader: Loader, epoch: Epoch) -> frozenset[int]:
    own = loader.dataset.positions
    return frozenset(epoch.indices if own is None else [own[index] for index in epoch.indices])
