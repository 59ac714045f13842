"""Two embeddings that a loss compares come from two views of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.values import Value

# Parts of the names of operators that draw random numbers.
RANDOM = ("dropout", "rand", "normal_", "bernoulli", "multinomial", "uniform", "exponential")
SIDES = 2


@rule(
    "a loss compares the embeddings of two views of an image",
    stays_quiet="unless a network is called twice with one tensor, in one mode, an operator "
    "compares both results for a step of an optimizer, and another tensor of the same batch and "
    "shape is not used; about networks that draw random numbers",
)
def view_used_twice(evidence: Evidence) -> Iterator[Finding]:
    """Find `z1, z2 = net(view1), net(view1)`."""
    require_success(evidence)
    batches = _batches(evidence)
    for first, second in _repeated(evidence, batches):
        batch = batches[first.received[0]]
        unused = [
            value for value in batch if _is_like(value, first) and _is_unused(evidence, value)
        ]
        if not unused:
            continue
        shape = list(first.received[0].shape)
        yield Finding(
            kind="loss/triplet_mining",
            message=f"{type(second.network()).__name__} is called twice with the same tensor, and "
            "the other view in the batch is not used",
            evidence=f"both calls receive the same tensor of shape {shape}; {len(unused)} other "
            f"tensor of this shape in the batch reaches no operator, so the loss compares a view "
            "with itself",
            cause=location(second.places),
            symptom=location(first.places),
            subject=second.places[0].text,
            confidence=7,
        )
        return


def _repeated(
    evidence: Evidence, batches: Container[Value]
) -> Iterator[tuple[ForwardPass, ForwardPass]]:
    """Yield two passes of one network with the same part of a batch, and compared results."""
    stepped = {
        n for s in evidence.record.optimizer_steps for held in s.holds.values() for n in held
    }
    before: dict[tuple[int, Value, frozenset[bool]], ForwardPass] = {}
    for one in evidence.record.passes:
        network = one.network()
        if network is None or not one.parameters or not one.received or not one.places:
            continue
        former = before.setdefault((id(network), one.received[0], one.modes), one)
        if former is one or one.received[0] not in batches or _is_random(evidence, one):
            continue
        if _share_step(evidence, former, one, stepped) and _are_compared(evidence, former, one):
            yield former, one


def _is_random(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether an operator of a pass draws random numbers that its results depend on."""
    makers = map(evidence.record.producer, evidence.flow.ancestors(forward.returned))
    first = forward.moment.operators
    names = [maker.name for maker in makers if maker is not None and maker.number >= first]
    return any(word in name for name in names for word in RANDOM)


def _share_step(
    evidence: Evidence, one: ForwardPass, other: ForwardPass, stepped: set[int]
) -> bool:
    flow = evidence.flow
    first = {b.number for b in flow.backward_passes_from(one.returned)}
    return bool(stepped & first & {b.number for b in flow.backward_passes_from(other.returned)})


def _are_compared(evidence: Evidence, one: ForwardPass, other: ForwardPass) -> bool:
    """Return whether an operator has a tensor from each pass, before either is a single number."""
    first, second = (evidence.flow.descendants(two.returned) for two in (one, other))
    users = (user for value in first for user in evidence.flow.consumers(value))
    return any(
        a in first and b in second and a.shape != () and b.shape != ()
        for user in users
        if len(user.inputs) == SIDES
        for a, b in (user.inputs, user.inputs[::-1])
    )


def _batches(evidence: Evidence) -> dict[Value, tuple[Value, ...]]:
    """Return the recorded batch that each tensor is a part of."""
    return {
        value: tuple(batch)
        for loader in evidence.record.loaders
        for epoch in loader.epochs
        for batch in epoch.values
        for value in batch
    }


def _is_like(value: Value, forward: ForwardPass) -> bool:
    given = forward.received[0]
    return value is not given and value.shape == given.shape and value.dtype == given.dtype


def _is_unused(evidence: Evidence, value: Value) -> bool:
    received = any(value in one.received for one in evidence.record.passes)
    return not received and not evidence.flow.consumers(value)
