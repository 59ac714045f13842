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
    from broken_convnets.observe.recorder.values import Value

NOISE = frozenset({"randn", "rand", "randn_like", "rand_like", "normal", "normal_", "uniform_"})
REPEATS = 4  # steps with the same noise
BATCHES = 2  # different ones that the judge is trained with


@rule(
    "the noise that a generator is trained with is drawn for each step",
    stays_quiet="unless a network is trained with the same random tensor in all steps and nothing "
    "else, and what it returns is judged by another network, which is trained with batches too",
)
def noise_drawn_once(evidence: Evidence) -> Iterator[Finding]:
    """Find a GAN whose noise is drawn before the loop."""
    require_success(evidence)
    for passes in _training_passes(evidence).values():
        given = {one.received for one in passes}
        steps = {one.moment.optimizer_steps for one in passes}
        noise = evidence.record.producer(passes[0].received[0]) if len(given) == 1 else None
        if noise is None or noise.name not in NOISE or len(steps) < REPEATS or not noise.places:
            continue
        learned = passes[0].received[0].requires_grad  # of a search for a latent vector
        if not learned and not _is_rewritten(evidence, passes) and _is_judged(evidence, passes):
            yield _finding(noise, passes, len(steps))


def _finding(noise: Operator, passes: list[ForwardPass], steps: int) -> Finding:
    network = passes[0].network()
    return Finding(
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


def _is_rewritten(evidence: Evidence, passes: list[ForwardPass]) -> bool:
    """Return whether the program writes new numbers into the noise, as through its `.data`."""
    noise = passes[0].received[0]
    return any(one.name == "__get__ data" for one in evidence.flow.consumers(noise))


def _is_judged(evidence: Evidence, passes: list[ForwardPass]) -> bool:
    """Return whether another network that is trained receives what they returned, or batches."""
    made = evidence.flow.descendants(v for one in passes for v in one.returned)
    loaders = evidence.record.loaders
    batches = {v for one in loaders for epoch in one.epochs for b in epoch.values for v in b}
    read = evidence.flow.descendants(batches)
    changed = {number for step in evidence.record.optimizer_steps for number in step.changed}
    of_made: set[tuple[int, ...]] = set()
    of_data: dict[tuple[int, ...], set[Value]] = {}
    for one in evidence.record.passes:
        trained = one.received and not changed.isdisjoint(one.parameters)
        value = one.received[0] if trained else None
        # A sum of both is not judged: what the network returned only perturbs the data.
        if value is not None and value in made and value not in read:
            of_made.add(one.parameters)
        elif value is not None and value in read and value not in made:
            of_data.setdefault(one.parameters, set()).add(value)
    own = passes[0].parameters
    return any(len(of_data.get(key, ())) >= BATCHES for key in of_made if key != own)
