"""The hidden state of a recurrent layer comes from the same sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.probes.batch_parameters import SHUFFLING
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"})
STATES = 3  # inputs of a recurrent operator before its weights, at most
LOOKED = 400  # recurrent operators

Batch = tuple[int, int, int]  # numbers of a loader, an epoch and a batch


@rule(
    "the hidden state of a recurrent layer comes from the same sequences",
    stays_quiet="unless a loader that shuffles reads two batches, and the state that a recurrent "
    "layer begins the second one with was computed from the first one",
)
def state_of_other_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find `out, h = net(x, h)` over the batches of a DataLoader with shuffle=True."""
    require_success(evidence)
    batches = _batches(evidence)
    operators = [o for o in evidence.record.operators if o.name in RECURRENT] if batches else []
    made = {value for one in operators for value in one.outputs}
    for operator in operators[:LOOKED]:
        given = _batches_of(evidence, operator.inputs[:1], batches)
        for state in operator.inputs[1:STATES] if given else ():
            known = evidence.flow.ancestors([state])
            others = {batches[one] for one in known if one in batches} - given
            if state.parameter or known.isdisjoint(made) or not others or not operator.places:
                continue
            if evidence.flow.backward_passes_from(operator.outputs):
                yield _finding(evidence, operator, state, len(given | others))
                return


def _batches(evidence: Evidence) -> dict[Value, Batch]:
    """Return the tensors of the first batches of loaders that shuffle."""
    return {
        value: (i, j, k)
        for i, loader in enumerate(evidence.record.loaders)
        if loader.sampler in SHUFFLING
        for j, epoch in enumerate(loader.epochs)
        for k, batch in enumerate(epoch.values)
        for value in batch
    }


def _batches_of(
    evidence: Evidence, values: tuple[Value, ...], batches: dict[Value, Batch]
) -> set[Batch]:
    return {batches[one] for one in evidence.flow.ancestors(values) if one in batches}


def _finding(evidence: Evidence, operator: Operator, state: Value, count: int) -> Finding:
    places = _call(evidence, state) or operator.places
    return Finding(
        kind="training",
        message="a recurrent layer begins a batch with the hidden state of other samples",
        evidence=f"the state that {operator.places[0].text} receives is computed from the batch "
        f"before, and the loader shuffles: row by row, it belongs to other sequences ({count} "
        "batches so far); begin each batch without a state",
        cause=location(places),
        symptom=location(operator.places),
        subject=places[0].text,
        confidence=7,
    )


def _call(evidence: Evidence, state: Value) -> tuple[Place, ...]:
    """Return where the program passes a state to a network; empty if the network keeps it."""
    known = evidence.flow.ancestors([state])
    for forward in evidence.record.passes:
        if forward.places and any(one in known for one in forward.received[1:]):
            return forward.places
    return ()
