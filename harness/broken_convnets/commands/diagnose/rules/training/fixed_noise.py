"""A generator is trained with new noise in each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator

NOISE = frozenset({"randn", "rand", "randn_like", "rand_like", "normal", "normal_", "uniform_"})
REPEATS = 4  # steps with the same noise


@rule(
    "the noise that a generator is trained with is drawn for each step",
    stays_quiet="unless a network is trained with the same random tensor in all steps, and what it "
    "returns is judged by another network, which the batches of a loader reach too",
)
def noise_drawn_once(evidence: Evidence) -> Iterator[Finding]:
    """Find a GAN whose noise is drawn before the loop."""
    require_success(evidence)
    for network, passes in _training_passes(evidence).items():
        given = {one.received[0] for one in passes}
        steps = {one.moment.optimizer_steps for one in passes}
        noise = evidence.record.producer(passes[0].received[0]) if len(given) == 1 else None
        if noise is None or noise.name not in NOISE or len(steps) < REPEATS or not noise.places:
            continue
        if _is_judged(evidence, network, passes):
            yield _finding(noise, passes, len(steps))


def _finding(noise: Operator, passes: list[ForwardPass], steps: int) -> Finding:
    network = passes[0].network()
    return Finding(
        rule="noise_drawn_once",
        kind="training/not_learning",
        message=f"{type(network).__name__} is trained with the same noise in every step",
        evidence=f"`{noise.places[0].text}` ran once, and {steps} steps train with what it "
        f"returned, a tensor of shape {list(noise.outputs[0].shape)}: the generator only learns "
        "to turn these numbers into data",
        cause=location(noise.places),
        symptom=location(passes[0].places),
        subject=noise.places[0].text,
        confidence=7,
    )


def _training_passes(evidence: Evidence) -> dict[int, list[ForwardPass]]:
    """Return the passes of each network that a backward pass depends on, if all have an input."""
    found: dict[int, list[ForwardPass]] = {}
    for one in evidence.record.passes:
        network = one.network()
        known = network is not None and one.parameters and one.received and one.places
        if known and evidence.flow.is_in_loss(one):
            found.setdefault(id(network), []).append(one)
    return found


def _is_judged(evidence: Evidence, network: int, passes: list[ForwardPass]) -> bool:
    """Return whether another network receives what the passes returned, and batches of data."""
    made = evidence.flow.descendants(passes[0].returned)
    judges = [
        one
        for one in evidence.record.passes
        if one.parameters and one.received and id(one.network()) != network
    ]
    of_made = {id(one.network()) for one in judges if made & set(one.received)}
    loaders = evidence.record.loaders
    batches = {v for one in loaders for epoch in one.epochs for b in epoch.values for v in b}
    read = evidence.flow.descendants(batches)
    return any(id(one.network()) in of_made and one.received[0] in read for one in judges)
